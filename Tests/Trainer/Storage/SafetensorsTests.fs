module CnnCluster.Tests.Trainer.Storage.SafetensorsTests

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.IO.Compression
open System.Runtime.InteropServices
open System.Text
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer.Storage

/// An entry's name, type and shape in a form that can be compared.
let private plain (entry: TensorEntry) =
    entry.Name, entry.Type, List.ofSeq entry.Shape

let private bytesOf (elements: 'T[]) =
    MemoryMarshal.AsBytes(ReadOnlySpan elements).ToArray()

let private write (tensors: (TensorEntry * byte[]) list) metadata =
    use memory = new MemoryStream()

    SafetensorsWriter.Write(
        memory,
        [| for entry, data in tensors -> struct (entry, ReadOnlyMemory data) |],
        Dictionary<string, string>(dict metadata)
    )

    memory.ToArray()

let private parse (file: byte[]) =
    use memory = new MemoryStream(file)
    SafetensorsFile.Parse(memory, "state.safetensors")

/// A file with a header put together by hand, so that it can be wrong.
let private fileOf (header: string) (data: byte[]) =
    let length = Array.zeroCreate 8
    BinaryPrimitives.WriteInt64LittleEndian(Span length, int64 header.Length)
    Array.concat [ length; Encoding.ASCII.GetBytes header; data ]

/// The bytes through a stream that can neither seek nor tell its length.
let private parseUnseekable (file: byte[]) =
    use packed = new MemoryStream()

    do
        use gzip = new GZipStream(packed, CompressionLevel.Fastest, true)
        gzip.Write(ReadOnlySpan file)

    packed.Position <- 0L
    use stream = new GZipStream(packed, CompressionMode.Decompress)
    SafetensorsFile.Parse(stream, "state.safetensors")

let private refusedBy parse (message: string) (file: byte[]) =
    let failure = Expect.throwsC (fun () -> parse file |> ignore) id
    Expect.isTrue (failure :? StateFileException) $"a fault of the file's: {failure}"
    Expect.stringStarts failure.Message "state.safetensors: " "names the file"
    Expect.stringContains failure.Message message "says what is wrong"

let private refused message file =
    refusedBy parse message file
    refusedBy parseUnseekable message file

/// Tensors of any type with 0 to 3 dimensions of 0 to 4.
let private tensorsGen =
    let tensor index =
        gen {
            let! elementType =
                Gen.elements [ ElementType.Float32; ElementType.Float64; ElementType.Int64 ]

            let! shape = Gen.listOf (Gen.choose64 (0L, 4L)) |> Gen.map (List.truncate 3)
            let! name = Gen.elements [ "kernel"; "größe"; "a\"b\\c"; "weights/conv1/kernel" ]
            let entry = TensorEntry($"{name}/{index}", elementType, Array.ofList shape)

            let! data =
                Gen.arrayOfLength (int entry.ByteLength) (Gen.choose (0, 255) |> Gen.map byte)

            return entry, data
        }

    Gen.choose (0, 5)
    |> Gen.bind (fun count -> Gen.sequenceToList [ for i in 1..count -> tensor i ])

let private metadataGen =
    Gen.elements [ "format"; "seed"; "step"; "Ä \n\t\"" ]
    |> Gen.listOf
    |> Gen.map (fun keys -> [ for key in List.distinct keys -> key, key + "'s value ✓" ])

/// Two F32 and one I64 as the format's description lays them out, byte for byte; the hash comes from sha256sum.
let private golden =
    let hash = "06d98ffb159b1cf5f9b1d5f528313eeaf53a079213b647c432987743a822fcb3"

    let header =
        """{"__metadata__":{"data_sha256":"HASH","format":"cnn"},"""
        + """"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"""
        + """"a/step":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}"""

    let data =
        [| 0x00uy
           0x00uy
           0x80uy
           0x3Fuy // 1.0f
           0x00uy
           0x00uy
           0x00uy
           0xC0uy // -2.0f
           0x0Auy
           0x00uy
           0x00uy
           0x00uy
           0x00uy
           0x00uy
           0x00uy
           0x00uy |] // 10L

    let length = [| 0xE8uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy |]
    let text = header.Replace("HASH", hash).PadRight 0xE8
    Array.concat [ length; Encoding.ASCII.GetBytes text; data ]

let private one dtype shape offsets =
    $"""{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"""

let private corrupted: (string * string * byte[]) list =
    let eight = Array.zeroCreate<byte> 8
    let header text = fileOf text eight

    let two second size =
        fileOf
            ("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"""
             + """"b":{"dtype":"F32","shape":[1],"data_offsets":"""
             + second
             + "}}")
            (Array.zeroCreate size)

    [ "a file of three bytes", "the header's length: ends after 3 of 8 bytes", [| 1uy; 2uy; 3uy |]
      "a header of more than 100 MB",
      "would be 100000001 bytes long",
      Array.append [| 1uy; 0xE1uy; 0xF5uy; 5uy; 0uy; 0uy; 0uy; 0uy |] eight
      "a negative header length", "would be -1 bytes long", Array.create 16 255uy
      "a header longer than the file",
      "the header: ends after 8 of 99 bytes",
      Array.append [| 99uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy |] eight
      "a header that is no JSON", "the header is not valid JSON", header """{"w": nothing}"""
      "a header that is a list", "the header is not a JSON object", header "[1, 2]"
      "a name twice", "the header is not valid JSON", header """{"w":{},"w":{}}"""
      "metadata that is no text",
      "__metadata__ is not an object of texts",
      fileOf """{"__metadata__":{"step":7}}""" [||]
      "a tensor that is a number", "tensor w: is not described by an object", header """{"w":7}"""
      "a tensor without a dtype", "tensor w: has no dtype", header """{"w":{"shape":[],"data_offsets":[0,4]}}"""
      "an unknown dtype", "tensor w: has the dtype BF16; supported are F32, F64, I64", header (one "BF16" "[4]" "[0,8]")
      "a tensor without a shape", "tensor w: has no shape", header """{"w":{"dtype":"F32","data_offsets":[0,4]}}"""
      "a negative dimension", "tensor w: shape is not a list of whole numbers", header (one "F32" "[-2]" "[0,8]")
      "a broken dimension", "tensor w: shape is not a list of whole numbers", header (one "F32" "[2.5]" "[0,8]")
      "a shape beyond 64 bits",
      "tensor w: shape [4294967296, 4294967296] is more than",
      header (one "F32" "[4294967296,4294967296]" "[0,8]")
      "one offset", "tensor w: data_offsets has 1 numbers", header (one "F32" "[2]" "[8]")
      "offsets that do not fit the shape",
      "tensor w: shape [3] needs 12 bytes, but data_offsets gives 8",
      header (one "F32" "[3]" "[0,8]")
      "a hole", "tensor b: its data begins at byte 8 and leaves a hole behind byte 4", two "[8,12]" 12
      "an overlap", "tensor b: its data begins at byte 2 and overlaps", two "[2,6]" 6
      "a tensor larger than an array", "4294967296", header (one "F32" "[1073741824]" "[0,4294967296]")
      "a flipped bit", "the file is damaged", Array.updateAt (golden.Length - 1) 1uy golden ]

[<Tests>]
let tests =
    testList
        "Storage.Safetensors"
        [ test "the golden file is written byte for byte" {
              let written =
                  write
                      [ TensorEntry("b", ElementType.Float32, [| 2L |]), bytesOf [| 1.0f; -2.0f |]
                        TensorEntry("a/step", ElementType.Int64, [||]), bytesOf [| 10L |] ]
                      [ "format", "cnn" ]

              Expect.equal (Encoding.Latin1.GetString written) (Encoding.Latin1.GetString golden) "equal bytes"
          }
          testProperty "what is written is read back, also from a stream that cannot seek"
          <| Prop.forAll (Arb.fromGen (Gen.zip tensorsGen metadataGen)) (fun (tensors, metadata) ->
              let bytes = write tensors metadata

              for file in [ parse bytes; parseUnseekable bytes ] do
                  Expect.equal [ for e in file.Entries -> plain e ] [ for e, _ in tensors -> plain e ] "entries"
                  Expect.equal [ for e in file.Entries -> file.Read e.Name ] (List.map snd tensors) "data"

                  let texts =
                      [ for pair in file.Metadata do
                            if pair.Key <> "data_sha256" then pair.Key, pair.Value ]

                  Expect.equal (List.sort texts) (List.sort metadata) "metadata")
          testProperty "data begins at a multiple of eight bytes"
          <| Prop.forAll (Arb.fromGen tensorsGen) (fun tensors ->
              let length = BinaryPrimitives.ReadInt64LittleEndian(ReadOnlySpan(write tensors []))
              Expect.equal (length % 8L) 0L "aligned")
          test "typed readers give the elements" {
              let file =
                  parse (
                      write
                          [ TensorEntry("f", ElementType.Float32, [| 1L; 2L |]), bytesOf [| 0.5f; nanf |]
                            TensorEntry("d", ElementType.Float64, [| 2L |]), bytesOf [| 0.1; -infinity |]
                            TensorEntry("i", ElementType.Int64, [| 1L |]), bytesOf [| Int64.MinValue |] ]
                          []
                  )

              Expect.equal (bytesOf (file.ReadFloat32 "f")) (bytesOf [| 0.5f; nanf |]) "floats"
              Expect.equal (file.ReadFloat64 "d") [| 0.1; -infinity |] "doubles"
              Expect.equal (file.ReadInt64 "i") [| Int64.MinValue |] "integers"
          }
          test "a missing tensor and one of another type are named" {
              let file =
                  parse (write [ TensorEntry("f", ElementType.Float32, [||]), bytesOf [| 1.0f |] ] [])

              let message act =
                  Expect.throwsC (fun () -> act () |> ignore) _.Message

              Expect.equal (message (fun () -> file.Read "g")) "state.safetensors: tensor g: is missing" "missing"

              Expect.equal
                  (message (fun () -> file.ReadInt64 "f"))
                  "state.safetensors: tensor f: is F32, where I64 is expected"
                  "another type"
          }
          test "a tensor larger than the first piece read arrives whole" {
              let data = Array.init (3 * (1 <<< 20) + 4) (fun i -> byte (i * 7))
              let entry = TensorEntry("w", ElementType.Float32, [| int64 data.Length / 4L |])
              let read = (parseUnseekable (write [ entry, data ] [])).Read "w"
              Expect.isTrue (read.AsSpan().SequenceEqual data) "equal bytes"
          }
          test "files without metadata or padding are read, in the order of their data" {
              let header =
                  """{"b":{"dtype":"I64","shape":[1],"data_offsets":[4,12]},"""
                  + """"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"""

              let file =
                  parse (fileOf header (Array.append (bytesOf [| 2.0f |]) (bytesOf [| 3L |])))

              Expect.equal [ for e in file.Entries -> e.Name ] [ "a"; "b" ] "data order"
              Expect.equal (file.ReadInt64 "b") [| 3L |] "b"
          }
          for title, message, file in corrupted do
              test $"refused: {title}" { refused message file }
          test "refused: data cut short" {
              let cut = golden[.. golden.Length - 2]
              refusedBy parse "the header describes 16 bytes of data, but 15 follow it" cut
              refusedBy parseUnseekable "tensor a/step: ends after 7 of 8 bytes" cut
          }
          test "refused: bytes behind the data" {
              let longer = Array.append golden [| 0uy |]
              refusedBy parse "the header describes 16 bytes of data, but 17 follow it" longer
              refusedBy parseUnseekable "there are bytes behind the last tensor" longer
          }
          test "a file that is not there is named" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "none.safetensors")
                  let failure = Expect.throwsC (fun () -> SafetensorsFile.Open path |> ignore) id
                  Expect.isTrue (failure :? StateFileException) "the user's to put right"
                  Expect.stringContains failure.Message path "named")
          }
          test "the writer refuses data that does not fit the shape, and names twice" {
              let entry = TensorEntry("w", ElementType.Float32, [| 2L |])

              for tensors in [ [ entry, [| 0uy |] ]; [ entry, Array.zeroCreate 8; entry, Array.zeroCreate 8 ] ] do
                  Expect.throwsT<ArgumentException> (fun () -> write tensors [] |> ignore) "refused"
          } ]
