module CnnCluster.Tests.Bench.ScaleModelTests

open System
open Expecto
open FsCheck
open CnnCluster.Bench.Scale
open CnnCluster.Bench.Scale.Model
open CnnCluster.Tests.Bench.ScaleSamples
open CnnCluster.Tests.Comparisons

let private algorithms =
    testList
        "algorithms"
        [ test "one worker has nothing to send" {
              for algorithm in Algorithm.All do
                  Expect.equal (algorithm.Of(1, megabyte, true)) (Work()) algorithm.Name
                  Expect.equal (algorithm.Of(1, megabyte, true, true)) (Work()) algorithm.Name
          }
          test "chunks, halving and ring send 2(N-1)/N of the buffer and sum half as much" {
              for ranks in [ 2; 4; 8; 64; 1024 ] do
                  let part = float (ranks - 1) / float ranks

                  for algorithm in [ Algorithm.Chunks; Algorithm.Halving; Algorithm.Ring ] do
                      let work = algorithm.Of(ranks, megabyte, true)
                      isNear work.Sent (2.0 * part * megabyte) $"{algorithm.Name} of {ranks} sends"
                      isNear work.Summed (part * megabyte) $"{algorithm.Name} of {ranks} sums"
          }
          test "messages wait for one another as the papers have it" {
              for power in 1..10 do
                  let ranks = pown 2 power
                  let rounds (algorithm: Algorithm) = algorithm.Of(ranks, 64.0, true).Rounds
                  Expect.equal (rounds Algorithm.Whole) 1.0 "whole"
                  Expect.equal (rounds Algorithm.Chunks) 2.0 "chunks"
                  Expect.equal (rounds Algorithm.Ring) (float (2 * (ranks - 1))) "ring"
                  Expect.equal (rounds Algorithm.Halving) (float (2 * power)) "halving and doubling"
                  Expect.equal (rounds Algorithm.Doubling) (float power) "doubling"
          }
          test "a surplus over a power of two costs two messages in a row and two buffers more" {
              let even, odd =
                  Algorithm.Halving.Of(8, megabyte, true), Algorithm.Halving.Of(11, megabyte, true)

              Expect.equal odd.Rounds (even.Rounds + 2.0) "rounds"
              isNear odd.Sent (even.Sent + 2.0 * megabyte) "sent"
          }
          test "doubling over a power of two costs a message in a row more, and the shorter side tells several" {
              // Of 11 ranks, the first of the last 3 tells one at each of their two branches, and three of the first 8.
              for ranks, rounds, told in [ 8, 3.0, 3.0; 9, 4.0, 8.0; 11, 4.0, 5.0; 16, 4.0, 4.0 ] do
                  let work = Algorithm.Doubling.Of(ranks, 1024.0, true)
                  Expect.equal (work.Rounds, work.Messages) (rounds, told) $"{ranks} ranks"
                  Expect.equal (work.Sent, work.Summed) (told * 1024.0, rounds * 1024.0) $"{ranks} ranks"
          }
          test
              "runs send whole buffers where they are short, of many ranks by doubling, and between two of one host always" {
              let algorithm ranks bytes network =
                  Algorithm.OfRuns(ranks, bytes, false, network)

              for ranks, bytes, network in [ 3, 16384.0, true; 7, 16384.0, false; 2, 1048576.0, true; 2, 1e9, false ] do
                  Expect.equal (algorithm ranks bytes network) Algorithm.Whole $"{bytes} bytes of {ranks}"

              for ranks, network in [ 8, true; 64, false ] do
                  Expect.equal
                      (algorithm ranks (2048.0 * float ranks) network)
                      Algorithm.Doubling
                      $"2 KiB for each of {ranks}"

              for ranks, bytes, network in [ 3, 16388.0, true; 64, 131076.0, false; 2, 1048580.0, true ] do
                  Expect.equal (algorithm ranks bytes network) Algorithm.Chunks $"{bytes} bytes of {ranks}"

              Expect.equal (Algorithm.OfRuns(2, 64.0, true, true)) Algorithm.Chunks "16 bits go in chunks"
          }
          test "16 bits halve what is sent, not what is summed" {
              for algorithm in Algorithm.All do
                  let exact, rounded =
                      algorithm.Of(8, megabyte, true), algorithm.Of(8, megabyte, true, true)

                  isNear (2.0 * rounded.Sent) exact.Sent $"{algorithm.Name} sends"
                  isNear rounded.Summed exact.Summed $"{algorithm.Name} sums"
                  Expect.equal rounded.Rounded megabyte $"{algorithm.Name} rounds"
          }
          testProperty
              "no algorithm gets faster with more latency, less bandwidth or more bytes"
              (fun (NonNegativeInt more) (PositiveInt kilobytes) (PositiveInt gigabits) ->
                  let ranks, bytes = 2 + more, 1e3 * float kilobytes

                  for algorithm in Algorithm.All do
                      let seconds gigabits latency bytes =
                          (network gigabits latency).Time(algorithm.Of(ranks, bytes, true)).Seconds

                      let least = seconds (float gigabits) 5e-6 bytes
                      Expect.isGreaterThan (seconds (float gigabits) 6e-6 bytes) least $"{algorithm.Name}, latency"

                      Expect.isGreaterThanOrEqual
                          (seconds (float gigabits / 2.0) 5e-6 bytes)
                          least
                          $"{algorithm.Name}, bandwidth"

                      Expect.isGreaterThanOrEqual
                          (seconds (float gigabits) 5e-6 (2.0 * bytes))
                          least
                          $"{algorithm.Name}, bytes")
          test "whole buffers stop being faster than chunks where the formulas say" {
              // α + (N−1)·n·β = 2α + 2(N−1)/N·n·β where messages and sums cost nothing.
              let alpha, beta = 50e-6, 1e-9
              let link = Link("formula", LinkCost(alpha, 0.0, beta, 0.0, 0.0))

              for ranks in [ 3; 4; 8; 100 ] do
                  let n = float ranks
                  let limit = alpha / (beta * (n - 1.0) * (1.0 - 2.0 / n))
                  let power = 2.0 ** floor (log limit / log 2.0)
                  Expect.equal (Crossovers.WholeLimit(link, ranks)) power $"{ranks} ranks"

              Expect.isTrue (Double.IsPositiveInfinity(Crossovers.WholeLimit(link, 2))) "two ranks send no byte more"
          }
          test "the fastest algorithm of each size is in the range that has it" {
              let link = network 10.0 10e-6
              let ranges = Crossovers.Ranges(link, 64)
              Expect.isTrue (Double.IsPositiveInfinity (Seq.last ranges).UpTo) "the last has no end"

              for power in 6..30 do
                  let size = 2.0 ** float power
                  let struct (best, _) = Reductions.Best(link, 64, size)
                  let range = ranges |> Seq.find (fun range -> size <= range.UpTo)
                  Expect.equal range.Algorithm best $"{size} bytes"
          }
          test "by hosts, a buffer crosses the network once a host and not once a worker" {
              // Nothing but the network takes time.
              let free = LinkCost(0.0, 0.0, 0.0, 0.0, 0.0)
              let between = Link.Network("network", free, 10.0, 0.0)
              let within = Link("host", free)
              let bytes = 1e8
              let once = 2.0 * (3.0 / 4.0) * bytes / between.BytesPerSecond
              isNear (Reductions.ByHosts(within, between, 4, 8, bytes, false).Seconds) once "by hosts"
              // Of 2·31/32 of the buffer that each of a host's 8 workers sends, 24/31 leave the host.
              isNear
                  (Reductions.Flat(between, 4, 8, bytes, false).Seconds)
                  (8.0 * (24.0 / 31.0) * 2.0 * (31.0 / 32.0) * bytes / between.BytesPerSecond)
                  "flat"
          } ]

let private fitting =
    testList
        "fit"
        [ test "the costs that data was generated from are found again" {
              for link in [ LinkKind.SharedMemory; LinkKind.Tcp; LinkKind.Tls ] do
                  let fit = fit (measured cost link)
                  let found = fit.Cost
                  Expect.isLessThan (abs (fit.Turn / turn - 1.0)) 1e-4 $"{link}: a turn"

                  for actual, expected in
                      Seq.zip
                          [ found.Round; found.Message; found.Byte; found.Sum; found.Rounding ]
                          [ cost.Round; cost.Message; cost.Byte; cost.Sum; cost.Rounding ] do
                      Expect.isLessThan (abs (actual / expected - 1.0)) 1e-4 $"{link}: {actual} for {expected}"
          }
          test "what threads never send costs nothing" {
              let threads = LinkCost(20e-6, 0.0, 0.5e-9, 0.1e-9, 0.3e-9)
              let found = (fit (measured threads LinkKind.Threads)).Cost
              Expect.equal found.Message 0.0 "messages"
              Expect.isLessThan (abs (found.Round / threads.Round - 1.0)) 1e-4 "meetings"
          }
          test "held-out points change nothing but their own error" {
              let points = measured cost LinkKind.Tcp

              let disturbed =
                  points
                  |> Array.map (fun p ->
                      if Schedule.IsHeldOut(p: LinkPoint) then
                          LinkPoint(p.Link, p.World, p.Operation, p.Bytes, 10.0 * p.Seconds, p.Least, p.Greatest)
                      else
                          p)

              let found = fit disturbed
              Expect.equal found.Cost (fit points).Cost "the costs"
              Expect.isLessThan (Seq.max (found.Factors false)) 1.001 "fitted points"
              Expect.isGreaterThan (Seq.min (found.Factors true)) 9.9 "held-out points"
          }
          test "of the greatest world and of sizes in between nothing is fitted" {
              let held, seen =
                  measured cost LinkKind.Tcp
                  |> Array.partition (fun (p: LinkPoint) -> Schedule.IsHeldOut p)

              Expect.isTrue (seen |> Array.forall (fun p -> p.World < Schedule.HeldOutWorld)) "worlds"
              Expect.isTrue (held |> Array.exists (fun p -> p.World < Schedule.HeldOutWorld)) "sizes of smaller worlds"
              Expect.isTrue (held |> Array.exists (fun p -> p.World = Schedule.HeldOutWorld)) "the greatest world"
          }
          test "a coefficient that would be negative is none" {
              // Without bounds: 3 and −1. With x₂ = 0, x₁ = Σ(row·target)/Σrow².
              let rows = [| [| 1.0; 0.0 |]; [| 1.0; 1.0 |]; [| 1.0; 2.0 |] |]
              let solution = LeastSquares.NonNegative(rows, [| 3.0; 2.0; 1.0 |])
              isNear solution[0] 2.0 "the mean"
              Expect.equal solution[1] 0.0 "nothing"
          }
          test "columns that depend on each other still have a solution" {
              let rows = [| [| 1.0; 2.0 |]; [| 2.0; 4.0 |]; [| 3.0; 6.0 |] |]
              let solution = LeastSquares.NonNegative(rows, [| 2.0; 4.0; 6.0 |])
              isNear (solution[0] + 2.0 * solution[1]) 2.0 "the same line"
          } ]

let private steps =
    testList
        "steps"
        [ test "the slowest of one is the mean" {
              isNear (1.0 + Jitter(0.3).Excess 1) 1.0 "no excess"
              isNear (Jitter.MeanOfSlowest([ 1.0; 2.0; 6.0 ], 1)) 3.0 "the mean"
          }
          test "the mean of the slowest counts every choice once" {
              let values = [ 3.0; 1.0; 7.0; 4.0; 2.0; 9.0 ]

              let rec choices k list =
                  match k, list with
                  | 0, _ -> [ [] ]
                  | _, [] -> []
                  | k, first :: rest -> List.map (fun c -> first :: c) (choices (k - 1) rest) @ choices k rest

              for k in 1..6 do
                  let expected = choices k values |> List.averageBy List.max
                  isNear (Jitter.MeanOfSlowest(values, k)) expected $"of {k}"
          }
          test "the slowest of N exponential delays is found again, and grows with the harmonic numbers" {
              let scale = 0.07

              let slowest =
                  [ for n in [ 2; 4; 8; 16 ] -> struct (n, scale * (Jitter.Harmonic n - 1.0)) ]

              isNear (Jitter.Of slowest).Scale scale "the scale"
              isNear (Jitter(scale).Excess 3) (scale * (1.0 / 2.0 + 1.0 / 3.0)) "of three"
          }
          test "computing time goes through what was measured and on in proportion" {
              let time = ComputingTime [ struct (1.0, 2.0); struct (3.0, 3.0); struct (5.0, 7.0) ]

              for samples, seconds in [ 0.5, 2.0; 1.0, 2.0; 2.0, 2.5; 3.0, 3.0; 4.0, 5.0; 5.0, 7.0; 10.0, 14.0 ] do
                  isNear (time.Of samples) seconds $"{samples} samples"

              isNear (ComputingTime.OfRate(100.0).Of 32.0) 0.32 "a stated rate"
          }
          test "a step is the share, the wait for the slowest, and every reduction" {
              let shape = NetworkShape("n", 4_194_304L, [| 64L; 128L |])
              let model = StepModel(shape, ComputingTime.OfRate 100.0, Jitter 0.1)
              // A second a byte, half of it the processor's.
              let reduce = ReductionTime(fun bytes _ -> LinkTime(bytes * 1e-9, bytes * 0.5e-9))
              let step = model.Step(32.0, 4, reduce, false)
              isNear step.Computing 0.32 "computing"
              isNear step.Waiting (0.32 * 0.1 * (1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0)) "waiting"
              let statistics = 2.0 * 16.0 * (64.0 + 128.0)
              isNear step.Communication.Seconds ((16777216.0 + statistics) * 1e-9) "gradients once, statistics twice"
              // Of four buckets of 4 MiB, one is left over.
              isNear step.Hidden (16777216.0 * 0.5e-9 * 0.75) "what the processor does not do"
              isNear step.Overlapped (step.Total - step.Hidden) "overlapped"
          }
          test "no more is hidden than the backward pass is long" {
              let model =
                  StepModel(NetworkShape("n", 10_000_000L, [||]), ComputingTime.OfRate 1000.0, Jitter 0.0)

              let step = model.Step(3.0, 8, ReductionTime(fun _ _ -> LinkTime(1.0, 0.0)), false)
              isNear step.Hidden 0.002 "two thirds of the computing"
          } ]

[<Tests>]
let tests = testList "Bench.scale model" [ algorithms; fitting; steps ]
