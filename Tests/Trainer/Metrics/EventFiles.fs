/// A reader of TensorBoard's event files that shares nothing with the writer.
module internal CnnCluster.Tests.Trainer.Metrics.EventFiles

open System
open System.Buffers.Binary
open System.IO
open System.Runtime.InteropServices
open System.Text
open Expecto

/// CRC-32C bit by bit, from its reflected polynomial.
let crc32c (data: byte[]) =
    let step (crc: uint32) _ =
        if crc &&& 1u = 1u then (crc >>> 1) ^^^ 0x82F63B78u else crc >>> 1

    ~~~(Array.fold (fun crc (value: byte) -> Seq.fold step (crc ^^^ uint32 value) [ 1..8 ]) UInt32.MaxValue data)

let private masked data =
    let crc = crc32c data
    ((crc >>> 15) ||| (crc <<< 17)) + 0xA282EAD8u

let private uint32At (bytes: byte[]) at =
    BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(bytes, at, 4))

/// The records of a file, with their checksums compared; nothing may be left over.
let rec private records (bytes: byte[]) =
    if bytes.Length = 0 then
        []
    else
        let length = int (BinaryPrimitives.ReadInt64LittleEndian(ReadOnlySpan(bytes, 0, 8)))
        let data = bytes[12 .. 11 + length]
        Expect.equal (uint32At bytes 8) (masked bytes[..7]) "the length's checksum"
        Expect.equal (uint32At bytes (12 + length)) (masked data) "the data's checksum"
        data :: records bytes[16 + length ..]

type private Field =
    | Number of uint64
    | Bytes of byte[]

let rec private varint (bytes: byte[]) at =
    let rest, next = if bytes[at] >= 128uy then varint bytes (at + 1) else 0UL, at + 1
    (rest <<< 7) ||| uint64 (bytes[at] &&& 127uy), next

/// A protobuf message's fields with their numbers, in order.
let rec private fields (bytes: byte[]) at =
    if at = bytes.Length then
        []
    else
        let key, next = varint bytes at

        let field, next =
            match key &&& 7UL with
            | 0UL ->
                let value, next = varint bytes next
                Number value, next
            | 1UL -> Bytes bytes[next .. next + 7], next + 8
            | 2UL ->
                let length, next = varint bytes next
                Bytes bytes[next .. next + int length - 1], next + int length
            | 5UL -> Bytes bytes[next .. next + 3], next + 4
            | wire -> failtest $"an unknown wire type {wire}"

        (int (key >>> 3), field) :: fields bytes next

let all number message =
    [ for n, field in fields message 0 do
          match field with
          | Bytes bytes when n = number -> bytes
          | _ -> () ]

let text number message =
    all number message |> List.map Encoding.UTF8.GetString |> List.tryExactlyOne

let doubles (bytes: byte[]) =
    MemoryMarshal.Cast<byte, double>(ReadOnlySpan bytes).ToArray() |> List.ofArray

/// What of the histogram message the tests look at.
type Counted =
    { Min: float
      Max: float
      Num: float
      Sum: float
      SumSquares: float
      Limits: float list
      Counts: float list }

type Written =
    | Scalar of float32
    | Histogram of Counted

let private counted message =
    let one number =
        all number message
        |> List.collect doubles
        |> List.tryExactlyOne
        |> Option.defaultValue 0.0

    { Min = one 1
      Max = one 2
      Num = one 3
      Sum = one 4
      SumSquares = one 5
      Limits = all 6 message |> List.collect doubles
      Counts = all 7 message |> List.collect doubles }

let private valueOf message =
    match all 2 message, all 5 message with
    | [ simple ], [] -> Scalar(BitConverter.ToSingle(simple, 0))
    | [], [ histogram ] -> Histogram(counted histogram)
    | other -> failtest $"neither a scalar nor a histogram: %A{other}"

/// The steps, tags and values of an event.
let private valuesOf event =
    let step =
        fields event 0
        |> List.tryPick (function
            | 2, Number step -> Some(int64 step)
            | _ -> None)
        |> Option.defaultValue 0L

    [ for summary in all 5 event do
          for value in all 1 summary do
              step, (text 1 value).Value, valueOf value ]

let eventsIn folder =
    let path = Directory.GetFiles(folder, "*tfevents*") |> Array.exactlyOne

    use stream =
        new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)

    use memory = new MemoryStream()
    stream.CopyTo memory
    records (memory.ToArray())

/// Everything in a folder's only event file.
let readBack folder =
    eventsIn folder |> List.collect valuesOf
