module CnnCluster.Tests.Trainer.Data.Digits.DigitSetTests

open Expecto
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Data.Digits
open CnnCluster.Tests.Comparisons

let private pixels (set: SampleSet) = set.Inputs[0].Pixels

let private images (set: SampleSet) =
    pixels set |> Array.chunkBySize set.Inputs[0].Shape.Size

let private labels (set: SampleSet) =
    (set.Targets[0] :?> TargetValues.Classes).Values

/// How often each digit occurs.
let private counts (set: SampleSet) =
    List.init 10 (fun digit -> labels set |> Seq.filter (int >> (=) digit) |> Seq.length)

let private ink (image: byte[]) = image |> Array.sumBy int

[<Tests>]
let tests =
    testList
        "Trainer.Data.Digits.DigitSet"
        [ test "the same seed gives the same set, byte by byte" {
              let once, again = DigitSet.Generate(300, 50, 7uL), DigitSet.Generate(300, 50, 7uL)
              Expect.equal (pixels again.Train) (pixels once.Train) "training images"
              Expect.equal (labels again.Train) (labels once.Train) "training labels"
              Expect.equal (pixels again.Validation) (pixels once.Validation) "test images"
          }
          test "the beginning of a longer set is the shorter set" {
              let short, long = DigitSet.Generate(97, 33, 1uL), DigitSet.Generate(250, 60, 1uL)

              for short, long in [ short.Train, long.Train; short.Validation, long.Validation ] do
                  Expect.equal (pixels short) (Array.take (pixels short).Length (pixels long)) "images"
                  Expect.equal (labels short) (Array.take short.Count (labels long)) "labels"
          }
          test "another seed draws other images, in another order" {
              let one, two = DigitSet.Generate(100, 10, 1uL), DigitSet.Generate(100, 10, 2uL)
              Expect.notEqual (labels one.Train) (labels two.Train) "order"
              Expect.isEmpty (Set.intersect (Set(images one.Train)) (Set(images two.Train))) "images"
          }
          test "no image occurs twice, in one part or in both" {
              let set = DigitSet.Generate(1500, 1500, 1uL)
              let all = Array.append (images set.Train) (images set.Validation)
              Expect.equal (all |> Array.distinct |> Array.length) 3000 "all differ"
          }
          test "classes are balanced and their order is shuffled" {
              let set = (DigitSet.Generate(1000, 10, 1uL)).Train
              Expect.equal (counts set) (List.replicate 10 100) "a tenth each"
              let tens = (labels set) |> Array.chunkBySize 10 |> Array.distinct
              Expect.isGreaterThan tens.Length 90 "hardly two tens in the same order"
          }
          test "a set that is no multiple of ten is as balanced as it can be" {
              let set = (DigitSet.Generate(10, 13, 1uL)).Validation
              Expect.all (counts set) (fun count -> count = 1 || count = 2) "one or two each"
          }
          test "every image shows strokes on a dark ground" {
              let set = (DigitSet.Generate(500, 10, 3uL)).Train

              for image in images set do
                  Expect.isGreaterThan (image |> Array.filter (fun pixel -> pixel > 120uy) |> Array.length) 15 "strokes"
                  Expect.isLessThan (ink image) (784 * 128) "mostly dark"
          } ]
