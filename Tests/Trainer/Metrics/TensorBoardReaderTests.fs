module CnnCluster.Tests.Trainer.Metrics.TensorBoardReaderTests

open System
open System.Buffers.Binary
open System.IO
open System.Runtime.InteropServices
open System.Text
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Tests.Trainer.Metrics.RunEventSamples
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Metrics
open CnnCluster.Trainer.Storage

// ---- a reader of event files that shares nothing with the writer ----

/// CRC-32C bit by bit, from its reflected polynomial.
let private crc32c (data: byte[]) =
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

let private all number message =
    [ for n, field in fields message 0 do
          match field with
          | Bytes bytes when n = number -> bytes
          | _ -> () ]

let private text number message =
    all number message |> List.map Encoding.UTF8.GetString |> List.tryExactlyOne

let private doubles (bytes: byte[]) =
    MemoryMarshal.Cast<byte, double>(ReadOnlySpan bytes).ToArray() |> List.ofArray

/// What of the histogram message the tests look at.
type private Counted =
    { Min: float
      Max: float
      Num: float
      Sum: float
      SumSquares: float
      Limits: float list
      Counts: float list }

type private Written =
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

let private eventsIn folder =
    let path = Directory.GetFiles(folder, "*tfevents*") |> Array.exactlyOne

    use stream =
        new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)

    use memory = new MemoryStream()
    stream.CopyTo memory
    records (memory.ToArray())

/// Everything in a folder's only event file.
let private readBack folder =
    eventsIn folder |> List.collect valuesOf

// ---- the tests ----

type private FixedClock() =
    inherit TimeProvider()

    override _.GetUtcNow() =
        DateTimeOffset.FromUnixTimeMilliseconds 1_900_000_000_500L

let private writing act =
    inFolder (fun folder ->
        use reader = new TensorBoardReader(folder, FixedClock())
        act folder reader)

let private histogramOf (values: float32[]) =
    writing (fun folder reader ->
        reader.Histogram("w", ReadOnlySpan values, 7L)

        match readBack folder with
        | [ 7L, "w", Histogram histogram ] -> histogram
        | other -> failtest $"one histogram, not %A{other}")

let private blob (tensors: (string * ElementType * byte[]) list) =
    use memory = new MemoryStream()

    SafetensorsWriter.Write(
        memory,
        [| for name, elementType, data in tensors ->
               let size = if elementType = ElementType.Float32 then 4L else 8L
               struct (TensorEntry(name, elementType, [| int64 data.Length / size |]), ReadOnlyMemory data) |],
        Map.empty
    )

    memory.Position <- 0L
    SafetensorsFile.Parse memory

let private bytesOf (values: float32[]) =
    MemoryMarshal.AsBytes(ReadOnlySpan values).ToArray()

[<Tests>]
let tests =
    testList
        "Metrics.TensorBoardReader"
        [ test "the checksum is CRC-32C" { Expect.equal (crc32c "123456789"B) 0xE3069283u "the catalogued check value" }
          test "the file begins with its version, at the present time in seconds" {
              writing (fun folder _ ->
                  let first = List.exactlyOne (eventsIn folder)
                  Expect.equal (text 3 first) (Some "brain.Event:2") "version"
                  Expect.equal (all 1 first |> List.collect doubles) [ 1_900_000_000.5 ] "time")
          }
          test "an epoch's figures are readable while the run goes on, at the epoch's number" {
              writing (fun folder reader ->
                  for epoch in 1..3 do
                      reader.Read(epochEnded false (metrics epoch usualValues))
                      let last = readBack folder |> List.filter (fun (step, _, _) -> step = int64 epoch)

                      Expect.equal
                          [ for _, tag, value in last -> tag, value ]
                          [ "loss/train", Scalar 0.5f
                            "accuracy/train", Scalar 0.75f
                            "loss/validation", Scalar 0.25f
                            "accuracy/validation", Scalar 0.875f
                            "images_per_second", Scalar 1234.5f
                            "learning_rate", Scalar 0.001f ]
                          $"epoch {epoch}")
          }
          test "each regularized weight's loss is a scalar under its name" {
              writing (fun folder reader ->
                  let metrics = regularizedMetrics 1 [] [ "conv1/kernel", 0.25; "dense1/bias", 0.5 ]
                  reader.Read(epochEnded false metrics)

                  Expect.equal
                      [ for _, tag, value in List.take 2 (readBack folder) -> tag, value ]
                      [ "regularization/conv1/kernel", Scalar 0.25f; "regularization/dense1/bias", Scalar 0.5f ]
                      "tags")
          }
          test "each worker's times are scalars under its number" {
              writing (fun folder reader ->
                  reader.Read(epochWithTimes (metrics 1 []) [ 3, 2.0, 1.5 ])

                  Expect.equal
                      [ for _, tag, value in List.skip 2 (readBack folder) -> tag, value ]
                      [ "computing_seconds/worker_3", Scalar 2.0f
                        "wait_seconds/worker_3", Scalar 0.0f
                        "communication_seconds/worker_3", Scalar 1.5f ]
                      "tags")
          }
          test "a metric's name keeps its underscores" {
              writing (fun folder reader ->
                  reader.Read(epochEnded false (metrics 1 [ "val_top_5_accuracy", 1.0 ]))
                  let _, tag, _ = List.head (readBack folder)
                  Expect.equal tag "top_5_accuracy/validation" "tag")
          }
          test "other events write nothing" {
              writing (fun folder reader ->
                  reader.Read started
                  reader.Read(StepProgress(1, 1L, 1.0, 1.0))
                  reader.Read(RunEnded(outcome StopReason.Epochs ""))
                  Expect.isEmpty (readBack folder) "nothing")
          }
          test "a histogram counts values into 64 buckets up to their limits" {
              let histogram = histogramOf [| for i in 0..64 -> float32 i |]
              Expect.equal histogram.Limits [ 1.0 .. 64.0 ] "limits"

              Expect.equal
                  histogram.Counts
                  [ for i in 1..64 -> if i = 64 then 2.0 else 1.0 ]
                  "the greatest is in the last"

              Expect.equal (histogram.Min, histogram.Max, histogram.Num) (0.0, 64.0, 65.0) "range"
              Expect.equal (histogram.Sum, histogram.SumSquares) (2080.0, 89440.0) "sums"
          }
          test "equal values are one bucket" {
              let histogram = histogramOf (Array.create 10 -0.5f)
              Expect.equal (histogram.Limits, histogram.Counts) ([ -0.5 ], [ 10.0 ]) "one bucket"
          }
          testProperty "every value is counted once, in a bucket that it lies in"
          <| Prop.forAll (Arb.fromGen (Gen.nonEmptyListOf (Gen.choose (-1000, 1000)))) (fun numbers ->
              let values = [| for n in numbers -> float32 n / 7.0f |]
              let histogram = histogramOf values

              for index, limit in List.indexed histogram.Limits do
                  let upTo = histogram.Counts |> List.take (index + 1) |> List.sum
                  let below = values |> Array.filter (fun v -> float v < limit - 1e-9) |> Array.length

                  let within =
                      values |> Array.filter (fun v -> float v <= limit + 1e-9) |> Array.length

                  Expect.isTrue (float below <= upTo && upTo <= float within) $"up to {limit}"

              Expect.equal (List.sum histogram.Counts) (float values.Length) "all of them")
          test "values that are not finite are counted apart" {
              writing (fun folder reader ->
                  reader.Histogram("w", ReadOnlySpan [| 1.0f; nanf; 2.0f; infinityf |], 3L)
                  reader.Histogram("v", ReadOnlySpan [| nanf |], 3L)
                  reader.Histogram("empty", ReadOnlySpan [||], 3L)

                  match readBack folder with
                  | [ _, "w", Histogram histogram; _, "w/not_finite", Scalar 2.0f; _, "v/not_finite", Scalar 1.0f ] ->
                      Expect.equal histogram.Num 2.0 "the finite ones"
                  | other -> failtest $"not %A{other}")
          }
          test "a state with histograms gives one for each tensor" {
              writing (fun folder reader ->
                  let names = [ "weights/conv1/kernel"; "gradients/conv1/kernel" ]

                  let file =
                      blob [ for name in names -> name, ElementType.Float32, bytesOf [| 1.0f; 2.0f; 4.0f |] ]

                  reader.AddHistograms(file, 5_000_000_000L)

                  Expect.equal
                      [ for step, tag, _ in readBack folder -> step, tag ]
                      [ for name in names -> 5_000_000_000L, name ]
                      "steps and tags")
          }
          test "a state with another type is refused by name" {
              writing (fun _ reader ->
                  let file = blob [ "weights/w", ElementType.Int64, Array.zeroCreate 8 ]
                  let failure = Expect.throwsC (fun () -> reader.AddHistograms(file, 1L)) id
                  Expect.stringContains failure.Message "tensor weights/w: is I64" "named")
          }
          test "records from several threads do not mix" {
              writing (fun folder reader ->
                  let file = blob [ "weights/w", ElementType.Float32, bytesOf [| 1.0f; 2.0f |] ]

                  let threads =
                      [ for thread in 1..4 ->
                            Threading.Thread(fun () ->
                                for step in 1..50 do
                                    if thread % 2 = 0 then
                                        reader.AddHistograms(file, int64 step)
                                    else
                                        reader.Read(epochEnded false (metrics step usualValues))) ]

                  threads |> List.iter _.Start()
                  threads |> List.iter _.Join()
                  Expect.equal (readBack folder).Length (2 * 50 * 1 + 2 * 50 * 6) "all of them, each whole")
          } ]
