module CnnCluster.Tests.Trainer.Data.Digits.DigitPairsTests

open Expecto
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Data.Digits
open CnnCluster.Tests.Comparisons

let private classes (values: TargetValues) =
    (values :?> TargetValues.Classes).Values |> Array.map int

let private numbers (values: TargetValues) =
    (values :?> TargetValues.Numbers).Values

let private same (set: SampleSet) = classes set.Targets[0]
let private sums (set: SampleSet) = classes set.Targets[1]
let private differences (set: SampleSet) = numbers set.Targets[2]

/// Both images of each pair.
let private images (set: SampleSet) =
    [ for images in set.Inputs -> images.Pixels |> Array.chunkBySize (28 * 28) ]

[<Tests>]
let tests =
    testList
        "Trainer.Data.Digits.DigitPairs"
        [ test "the same seed gives the same pairs, and a longer set begins with the shorter one" {
              let short, long = DigitPairs.Generate(60, 20, 3uL), DigitPairs.Generate(90, 50, 3uL)

              for short, long in [ short.Train, long.Train; short.Validation, long.Validation ] do
                  for shorter, longer in List.zip (images short) (images long) do
                      Expect.equal shorter (Array.take short.Count longer) "images"

                  Expect.equal (same short) (Array.take short.Count (same long)) "same"
                  Expect.equal (sums short) (Array.take short.Count (sums long)) "sums"
                  Expect.equal (differences short) (Array.take short.Count (differences long)) "differences"
          }
          test "another seed draws other pairs" {
              let one, two = DigitPairs.Generate(50, 10, 1uL), DigitPairs.Generate(50, 10, 2uL)
              Expect.notEqual (sums one.Train) (sums two.Train) "sums"
              Expect.notEqual (images one.Train) (images two.Train) "images"
          }
          test "the three targets of a pair agree with one another" {
              let set = (DigitPairs.Generate(2000, 10, 1uL)).Train

              for same, sum, difference in Array.zip3 (same set) (sums set) (differences set) do
                  let apart = int (round (difference * 9.0f))
                  Expect.floatClose Accuracy.medium (float difference) (float apart / 9.0) "ninths"
                  Expect.equal (same = 1) (apart = 0) "the same where nothing is between them"
                  Expect.equal (sum % 2) (apart % 2) "a + b and |a − b| are odd together"
                  Expect.isTrue (apart <= min sum (18 - sum)) "two digits have this sum and distance"
          }
          test "half the pairs are of the same digit, but never of the same image" {
              let set = (DigitPairs.Generate(1000, 10, 1uL)).Train
              Expect.equal (Array.sum (same set)) 500 "half"
              let all = List.collect List.ofArray (images set)
              Expect.equal (List.distinct all).Length 2000 "all images differ"
          }
          test "every sum and every distance occurs" {
              let set = (DigitPairs.Generate(3000, 10, 1uL)).Train
              Expect.equal (sums set |> Array.distinct |> Array.sort) [| 0..18 |] "sums"
              Expect.equal (differences set |> Array.distinct).Length 10 "distances"
          }
          test "the images are those that the targets speak of" {
              // The mean image of a digit is nearer to its images than those of others, on the whole.
              let drawn = (DigitSet.Generate(1000, 10, 5uL)).Train
              let labels = classes drawn.Targets[0]

              let means =
                  [| for digit in 0..9 ->
                         let own =
                             Array.zip (drawn.Inputs[0].Pixels |> Array.chunkBySize 784) labels
                             |> Array.filter (fun (_, label) -> label = digit)

                         Array.init 784 (fun i -> own |> Array.averageBy (fun (image, _) -> float image[i])) |]

              let distance (image: byte[]) (mean: float[]) =
                  Array.fold2 (fun sum (a: byte) b -> sum + (float a - b) ** 2.0) 0.0 image mean

              let read image =
                  [ 0..9 ] |> List.minBy (fun digit -> distance image means[digit])

              let set = (DigitPairs.Generate(400, 10, 1uL)).Train

              let met =
                  match images set with
                  | [ left; right ] ->
                      Array.zip3 left right (sums set)
                      |> Array.filter (fun (a, b, sum) -> read a + read b = sum)
                      |> Array.length
                  | _ -> failtest "two inputs"

              // By guessing, at most a tenth would be.
              Expect.isGreaterThan met 130 "sums of what is read"
          } ]
