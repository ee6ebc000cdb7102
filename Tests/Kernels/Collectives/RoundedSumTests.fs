module CnnCluster.Tests.Kernels.Collectives.RoundedSumTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives.Ranks
open CnnCluster.Tests.Kernels.Collectives.Implementations

let private formats =
    [ WireFormat.BFloat16, pown 2.0 -9; WireFormat.Float16, pown 2.0 -12 ]

let private gradient step rank i =
    float32 (
        sin (float (i * 31 + rank * 17 + step * 7 + 1))
        * 10.0 ** float ((i + rank) % 4 - 2)
    )

let private feedbackOf format length (rank: ICollective) = rank.NewFeedback(format, length)

let private valuesOf (buffer: torch.Tensor) = buffer.data<float32>().ToArray()

let private sum (rank: ICollective) feedback (values: float32[]) =
    use buffer = torch.tensor values
    rank.AllReduceRounded(buffer, feedback)
    valuesOf buffer

let private exactSum world step length =
    Array.init length (fun i -> Seq.sum [ for rank in 0 .. world - 1 -> float (gradient step rank i) ])

let private norm (values: float seq) =
    sqrt (Seq.sumBy (fun x -> x * x) values)

/// How far a sum is from the exact one, beside all that was added up.
let private distance world step (result: float32[]) =
    let exact = exactSum world step result.Length

    let added =
        Seq.sum [ for rank in 0 .. world - 1 -> norm (Seq.init result.Length (fun i -> float (gradient step rank i))) ]

    norm (Array.map2 (fun r e -> float r - e) result exact) / added

let private close implementation (format, unit') world =
    testCase
        $"{implementation.Name}, world {world}: a {format} sum has one value, within two roundings of the exact one"
        (fun () ->
            disposing (implementation.Open world bound) (fun ranks ->
                for length in [ 0; 1; 5; 1003; 70_001 ] do
                    let work (rank: ICollective) =
                        sum rank (feedbackOf format length rank) (Array.init length (gradient 0 rank.Rank.Value))

                    let results = onThreads ranks work |> all

                    Expect.allEqual
                        (Array.map (fun r -> r = results[0]) results)
                        true
                        $"{length} elements, the same on every rank"

                    if length > 0 then
                        // Each summand and each sum is rounded once.
                        Expect.isLessThanOrEqual (distance world 0 results[0]) (2.0 * unit') $"{length} elements"))

let private lossless implementation (format, unit') =
    testCase $"{implementation.Name}: what {format} rounds away in one step comes with the next ones" (fun () ->
        disposing (implementation.Open 3 bound) (fun ranks ->
            let steps, length = 300, 50

            let work (rank: ICollective) =
                let feedback = feedbackOf format length rank
                let total = Array.zeroCreate<float> length

                for step in 0 .. steps - 1 do
                    let result =
                        sum rank feedback (Array.init length (gradient (step % 3) rank.Rank.Value))

                    feedback.Commit()
                    result |> Array.iteri (fun i r -> total[i] <- total[i] + float r)

                total

            let total = (onThreads ranks work |> all)[0]

            for i in 0 .. length - 1 do
                let exact =
                    Seq.sum [ for step in 0 .. steps - 1 -> (exactSum 3 (step % 3) length)[i] ]

                // At most the remainders of the last step are missing: half a unit of each summand and of the sum.
                let greatest =
                    Seq.sum [ for rank in 0..2 -> Seq.max [ for step in 0..2 -> abs (float (gradient step rank i)) ] ]

                Expect.isLessThan (abs (total[i] - exact)) (8.0 * unit' * greatest + 1e-4 * greatest) $"element {i}"))

let private provisional implementation =
    testCase
        $"{implementation.Name}: a step that is not committed leaves no remainder, and a reset forgets all"
        (fun () ->
            disposing (implementation.Open 2 bound) (fun ranks ->
                let work (rank: ICollective) =
                    let values = Array.init 100 (gradient 0 rank.Rank.Value)
                    let feedback = feedbackOf WireFormat.BFloat16 100 rank
                    let first = sum rank feedback values
                    let again = sum rank feedback values
                    feedback.Commit()
                    let corrected = sum rank feedback values
                    feedback.Reset()
                    first, again, corrected, sum rank feedback values

                for first, again, corrected, afresh in onThreads ranks work |> all do
                    Expect.equal again first "the step was skipped"
                    Expect.notEqual corrected first "the remainders of the committed step"
                    Expect.equal afresh first "forgotten"))

let private rounded (values: float32[]) =
    let halves = Array.zeroCreate values.Length
    let back = Array.zeroCreate values.Length
    Wire.Round(WireFormat.BFloat16, ReadOnlySpan values, Span halves)
    Wire.Expand(WireFormat.BFloat16, ReadOnlySpan halves, Span back)
    back

[<Tests>]
let tests =
    testList
        "Kernels.Collectives.RoundedSum"
        [ for implementation in joined do
              for format in formats do
                  for world in [ 2; 3; 5 ] do
                      close implementation format world

                  lossless implementation format

              provisional implementation

          test "bfloat16 is rounded as libtorch rounds it, whatever the number" {
              let bits = [| for i in 0..70_000 -> uint32 i * 61_357u |]

              let values =
                  Array.append
                      (Array.map BitConverter.UInt32BitsToSingle bits)
                      [| 0.0f
                         -0.0f
                         infinityf
                         -infinityf
                         Single.MaxValue
                         Single.Epsilon
                         1.00390625f
                         1.01171875f |]

              use tensor = torch.tensor values
              use halves = tensor.``to`` torch.bfloat16
              use expected = halves.``to`` torch.float32

              for ours, theirs in Seq.zip (rounded values) (valuesOf expected) do
                  if Single.IsNaN theirs then
                      Expect.isTrue (Single.IsNaN ours) "NaN"
                  else
                      Expect.equal
                          (BitConverter.SingleToUInt32Bits ours)
                          (BitConverter.SingleToUInt32Bits theirs)
                          $"{theirs}, bit for bit"
          }
          test "infinity travels, so that a step which has it can be skipped" {
              disposing (inProcess 2 bound) (fun ranks ->
                  let work (rank: ICollective) =
                      sum rank (feedbackOf WireFormat.Float16 3 rank) [| 1e6f; nanf; 1.0f |]

                  for result in onThreads ranks work |> all do
                      Expect.equal (result[0], result[2]) (infinityf, 2.0f) "too large for float16"
                      Expect.isTrue (Single.IsNaN result[1]) "NaN")
          }
          test "a sum that is not float32, or of another length, is refused" {
              use ranks = new SoloCollective()
              let feedback = feedbackOf WireFormat.BFloat16 3 ranks
              use doubles = torch.ones ([| 3L |], torch.float64)
              use longer = torch.ones [| 4L |]
              Expect.throwsT<ArgumentException> (fun () -> ranks.AllReduceRounded(doubles, feedback)) "float64"
              Expect.throwsT<ArgumentException> (fun () -> ranks.AllReduceRounded(longer, feedback)) "four elements"
          } ]
