/// What the chapter says of logits and softmax.
module CnnCluster.Tests.Chapter.SoftmaxTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open CnnCluster.Tests.Chapter.Networks
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

let private softmax (logits: float list) =
    let sample =
        torch.tensor(Array.ofList logits, dtype = torch.float64).reshape(1L, -1L)

    numbers (outputOf $"input {logits.Length}\nsoftmax" sample)

let private greatestDifference a b =
    List.map2 (fun x y -> abs (x - y)) a b |> greatest

let private logits =
    Gen.choose (-9000, 9000)
    |> Gen.map (fun n -> float n / 1000.0)
    |> Gen.nonEmptyListOf
    |> Gen.resize 12

let private property name check =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = 60 }
        name
        (Prop.forAll (Arb.fromGen logits) check)

[<Tests>]
let tests =
    testList
        "Chapter.softmax"
        [ property "it is eˣ/Σeˣ, and there is no temperature" (fun logits ->
              let sum = List.sumBy exp logits

              Expect.isLessThan
                  (greatestDifference (softmax logits) [ for x in logits -> exp x / sum ])
                  1e-12
                  "definition")
          property "its values are probabilities: they lie in 0 to 1 and add up to 1" (fun logits ->
              let p = softmax logits
              Expect.isTrue (List.forall (fun p -> p > 0.0 && p <= 1.0) p) "range"
              Expect.floatClose Accuracy.veryHigh (List.sum p) 1.0 "sum")
          property "the same number added to all logits changes nothing" (fun logits ->
              for shift in [ -700.0; 3.5; 900.0 ] do
                  let moved = softmax [ for x in logits -> x + shift ]
                  Expect.isLessThan (greatestDifference (softmax logits) moved) 1e-10 $"by {shift}")
          test "a factor on all logits does change it: logits have a scale" {
              Expect.floatClose Accuracy.veryHigh (softmax [ 0.0; log 3.0 ]).[1] 0.75 "3 to 1"
              Expect.floatClose Accuracy.veryHigh (softmax [ 0.0; 2.0 * log 3.0 ]).[1] 0.9 "9 to 1"
          }
          test "logits are what a network gives without it: any numbers, in the same order" {
              use _ = torch.NewDisposeScope()
              let scores, _ = networkOf (planOf "input 6\ndense 10") 4UL
              let classes, _ = networkOf (planOf "input 6\ndense 10 softmax") 4UL
              let x = samples scores.Plan 3

              for row in 0..2 do
                  let logits = (rows (scores.forward x))[row]
                  let p = (rows (classes.forward x))[row]
                  Expect.isTrue (List.exists (fun x -> x < 0.0) logits) "logits have signs"
                  Expect.isLessThan (greatestDifference p (softmax logits)) 1e-12 "softmax of the logits"

                  Expect.equal
                      (List.sortBy (fun i -> p[i]) [ 0..9 ])
                      (List.sortBy (fun i -> logits[i]) [ 0..9 ])
                      "order"
          } ]
