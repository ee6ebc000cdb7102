module CnnCluster.Tests.Trainer.Data.IdxReaderTests

open System
open System.Buffers.Binary
open System.IO
open System.IO.Compression
open Expecto
open CnnCluster.Kernels
open CnnCluster.Trainer.Data
open CnnCluster.Tests.Comparisons

let private bigEndian (value: int) =
    let bytes = Array.zeroCreate 4
    BinaryPrimitives.WriteInt32BigEndian(Span bytes, value)
    bytes

let internal images count height width pixels =
    Array.concat (List.map bigEndian [ 0x803; count; height; width ] @ [ pixels ])

let internal labels count values =
    Array.concat [ bigEndian 0x801; bigEndian count; values ]

let internal gzip (bytes: byte[]) =
    use packed = new MemoryStream()

    (use gz = new GZipStream(packed, CompressionLevel.Fastest)
     gz.Write(ReadOnlySpan bytes))

    packed.ToArray()

let internal withFolder act =
    let folder = Directory.CreateTempSubdirectory "cnn-data-"

    try
        act folder.FullName
    finally
        folder.Delete true

let private withFile (bytes: byte[]) act =
    withFolder (fun folder ->
        let path = Path.Combine(folder, "file")
        File.WriteAllBytes(path, bytes)
        act path)

let private failure act =
    Expect.throwsC act (function
        | :? DataFileException as e -> e
        | e -> failtest $"not a data file's error: {e}")

let private ofImages path =
    IdxReader.ReadImages(path, 2, 3) |> ignore

let private ofLargerImages path =
    IdxReader.ReadImages(path, 5, 5) |> ignore

let private ofLabels path =
    IdxReader.ReadLabels(path, 10) |> ignore

/// A file, how it is read, what the error says, and the byte and item it names.
let private bad =
    let six = [| 1uy .. 6uy |]

    let noise =
        Array.init 5000 (fun i -> byte (256.0 * CounterRandom.Uniform(RandomKey 1uL, 0uL, uint64 i)))

    let flipped = gzip (images 1 2 3 six)
    flipped[flipped.Length - 6] <- flipped[flipped.Length - 6] ^^^ 255uy

    [ "an empty file", [||], ofImages, "the file is empty", None, None
      "two bytes", [| 0uy; 0uy |], ofImages, "this is no IDX file: it ends after 2 bytes", Some 0, None
      "labels for images", labels 1 [| 3uy |], ofImages, "these are IDX labels, where IDX images", Some 0, None
      "images for labels", images 1 2 3 six, ofLabels, "these are IDX images, where IDX labels", Some 0, None
      "floats",
      Array.concat [ bigEndian 0xd03; six ],
      ofImages,
      "an IDX file of 32-bit floats in 3 dimensions",
      Some 0,
      None
      "a PNG",
      Array.concat [ bigEndian 0x89504e47; six ],
      ofImages,
      "no IDX file: it begins with 0x89504e47",
      Some 0,
      None
      "a header cut off",
      images 1 2 3 six |> Array.take 10,
      ofImages,
      "truncated: its header has 10 of 16 bytes",
      Some 10,
      None
      "no items", images 0 2 3 [||], ofImages, "the number of items cannot be 0", Some 4, None
      "2^31 items", images Int32.MinValue 2 3 six, ofImages, "the number of items cannot be 2147483648", Some 4, None
      "a height of 0", images 1 0 3 [||], ofImages, "the image height cannot be 0", Some 8, None
      "a negative width", images 1 2 -3 [||], ofImages, "the image width cannot be 4294967293", Some 12, None
      "another size", images 1 3 2 six, ofImages, "its images are 3x2 pixels, where 2x3 are expected", Some 8, None
      "items cut off", images 3 2 3 (Array.append six six), ofImages, "holds 2 whole images of the 3", Some 28, Some 2
      "an item cut in half", images 2 2 3 [| 1uy .. 8uy |], ofImages, "holds 1 whole images of the 2", Some 24, Some 1
      "a byte too many",
      images 1 2 3 [| 1uy .. 7uy |],
      ofImages,
      "more bytes follow the last of the 1 images",
      Some 22,
      None
      "labels cut off", labels 5 [| 1uy; 2uy |], ofLabels, "holds 2 whole labels of the 5", Some 10, Some 2
      "a label too many", labels 1 [| 1uy; 2uy |], ofLabels, "more bytes follow the last of the 1 labels", Some 9, None
      "a label of 10", labels 3 [| 9uy; 10uy; 0uy |], ofLabels, "label 10 is out of range", Some 9, Some 1
      "more than an array", images Int32.MaxValue 2 3 six, ofImages, "more than can be read", Some 4, None
      "gzip of labels", gzip (labels 1 [| 3uy |]), ofImages, "these are IDX labels", Some 0, None
      "gzip of too few", gzip (images 3 2 3 six), ofImages, "holds 1 whole images of the 3", Some 22, Some 1
      "gzip of too many", gzip (images 1 2 3 [| 1uy .. 7uy |]), ofImages, "more bytes follow", Some 22, None
      "gzip with a wrong checksum", flipped, ofImages, "the gzip content is corrupt", None, None
      "gzip cut off",
      (gzip (images 200 5 5 noise))[..2000],
      ofLargerImages,
      "the file is truncated: it holds",
      None,
      None
      "gzip of nothing", [| 0x1fuy; 0x8buy; 1uy; 2uy; 3uy |], ofImages, "the gzip content is corrupt", None, None ]

let private allocatedBy act =
    let before = GC.GetAllocatedBytesForCurrentThread()
    act ()
    GC.GetAllocatedBytesForCurrentThread() - before

[<Tests>]
let tests =
    testList
        "Trainer.Data.IdxReader"
        [ testProperty "what was written comes back, plain and packed"
          <| fun (pixels: FsCheck.NonEmptyArray<byte>) (FsCheck.PositiveInt seed) ->
              let height, width = 1 + seed % 3, 1 + seed % 2
              let count = pixels.Get.Length
              let pixels = Array.replicate (height * width) pixels.Get |> Array.concat
              let classes = Array.init count (fun i -> byte ((i + seed) % 10))

              withFolder (fun folder ->
                  let write name (bytes: byte[]) =
                      let path = Path.Combine(folder, name)
                      File.WriteAllBytes(path, bytes)
                      path

                  for form in [ id; gzip ] do
                      let set =
                          IdxReader.Read(
                              write "images" (form (images count height width pixels)),
                              write "labels" (form (labels count classes)),
                              height,
                              width,
                              10
                          )

                      let image = Seq.exactlyOne set.Inputs
                      Expect.equal (set.Count, image.Shape) (count, SampleShape(1, height, width)) "sizes"
                      Expect.equal image.Pixels pixels "pixels"

                      match Seq.exactlyOne set.Targets with
                      | :? TargetValues.Classes as read -> Expect.equal read.Values (Array.map int64 classes) "labels"
                      | other -> failtest $"{other}")
          test "a packed file of several chunks comes back whole" {
              let pixels = Array.init (900 * 50 * 60) (fun i -> byte (i * i >>> 7))

              withFile (gzip (images 900 50 60 pixels)) (fun path ->
                  Expect.isTrue (IdxReader.ReadImages(path, 50, 60).AsSpan().SequenceEqual pixels) "2.7 million bytes")
          }
          for name, bytes, read, says, offset, item in bad do
              test $"{name} is an error that says so" {
                  withFile bytes (fun path ->
                      let e = failure (fun () -> read path)
                      Expect.stringStarts e.Message path "the path comes first"
                      Expect.stringContains e.Message says "the problem"

                      offset
                      |> Option.iter (fun byte -> Expect.equal e.Offset (Nullable(int64 byte)) "the byte")

                      item |> Option.iter (fun item -> Expect.equal e.Item (Nullable item) "the item"))
              }
          test "a missing file and a folder are errors that say so" {
              withFolder (fun folder ->
                  let missing = failure (fun () -> ofImages (Path.Combine(folder, "none")))
                  Expect.stringContains missing.Message "there is no such file" "missing"
                  let isFolder = failure (fun () -> ofImages folder)
                  Expect.stringContains isFolder.Message "this is a folder" "a folder")
          }
          test "different numbers of images and labels are an error with both" {
              withFolder (fun folder ->
                  let imagesPath, labelsPath = Path.Combine(folder, "i"), Path.Combine(folder, "l")
                  File.WriteAllBytes(imagesPath, images 2 1 1 [| 1uy; 2uy |])
                  File.WriteAllBytes(labelsPath, labels 3 [| 1uy; 2uy; 3uy |])

                  let e =
                      failure (fun () -> IdxReader.Read(imagesPath, labelsPath, 1, 1, 10) |> ignore)

                  Expect.stringContains e.Message "there are 3 labels for the 2 images" "both counts")
          }
          for name, form in [ "plain", id; "packed", gzip ] do
              test $"a small {name} file whose header claims a gigabyte takes little memory" {
                  withFile (form (images 2_000_000 28 28 (Array.zeroCreate 100))) (fun path ->
                      let allocated =
                          allocatedBy (fun () ->
                              failure (fun () -> IdxReader.ReadImages(path, 28, 28) |> ignore) |> ignore)

                      Expect.isLessThan allocated 4_000_000L "not what the header claims")
              } ]
