module CnnCluster.Tests.Trainer.Metrics.TensorBoardReaderTests

open System
open System.IO
open System.Runtime.InteropServices
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Tests.Trainer.Metrics.EventFiles
open CnnCluster.Tests.Trainer.Metrics.RunEventSamples
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Metrics
open CnnCluster.Trainer.Storage

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
