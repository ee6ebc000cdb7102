/// Normalisations within a sample, and noise, against their formulas.
module CnnCluster.Tests.Dsl.NormalisationReferenceTests

open System
open Expecto
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

let private group depth (place: int list) = [ place[1] / depth ]

let private cases =
    [ "input 3x4x5\nlayernorm", normaliseBy (List.skip 2) 1e-3
      "input 5\nlayernorm epsilon=0.1", normaliseBy (fun _ -> []) 0.1
      "input 3x4x5\nlayernorm all", normaliseBy (fun _ -> []) 1e-3
      "input 3x4x6\ngroupnorm 3 epsilon=0.01", normaliseBy (group 2) 0.01
      "input 3x64\ngroupnorm", normaliseBy (group 2) 1e-3
      "input 3x4x5\ninstancenorm", normaliseBy (group 1) 1e-3
      "input 2x3x7\nlocalresponsenorm", localResponse 5 2.0 1e-4 0.75
      "input 4x7\nlocalresponsenorm 3 alpha=2 beta=0.6 k=0.5", localResponse 3 0.5 2.0 0.6
      "input 4x2\nlocalresponsenorm 99 alpha=2", localResponse 99 2.0 2.0 0.75 ]

/// A layer's factors of the input, or what it adds to it.
let private noiseOf body inverse samples =
    let _, _, _, x, y = run body true samples
    Array.map2 inverse (values x) (values y)

let private isNormal (noise: float[]) deviation =
    let count = float noise.Length
    let mean = Array.average noise
    let variance = noise |> Array.averageBy (fun v -> (v - mean) ** 2.0)
    // Five standard errors of each.
    Expect.isLessThan (abs mean) (5.0 * deviation / sqrt count) "mean"
    Expect.isLessThan (abs (variance / (deviation ** 2.0) - 1.0)) (5.0 * sqrt (2.0 / count)) "variance"

    let beyond =
        noise |> Array.filter (fun v -> abs v > 1.96 * deviation) |> Array.length

    Expect.isLessThan (abs (float beyond / count - 0.05)) (5.0 * sqrt (0.05 * 0.95 / count)) "tails"

[<Tests>]
let tests =
    testList
        "Dsl.Layers normalisation"
        [ for body, reference in cases do
              test $"{body.Replace('\n', ';')} is its formula" {
                  scope (fun () ->
                      let _, _, _, x, y = run body true 3L
                      Expect.isLessThan (distance (reference (ofTensor x)).Data (values y)) 1e-12 "output")
              }
          test "scale and shift go by channel, or with over=all by element" {
              for body, count in
                  [ "input 3x2\nlayernorm", 2; "input 3x2\nlayernorm all", 6; "input 3x2\ngroupnorm 1", 2 ] do
                  scope (fun () ->
                      let network, tensors = networkOf (planOf body) 1UL
                      let x = samples network.Plan 2
                      let plain = values (network.forward x)

                      fill tensors.Weights[0] (fun i -> 2.0 + i)
                      fill tensors.Weights[1] (fun i -> 10.0 * i)

                      let expected =
                          plain
                          |> Array.mapi (fun i v ->
                              let own = float (i % 6 / (6 / count))
                              v * (2.0 + own) + 10.0 * own)

                      Expect.isLessThan (distance expected (values (network.forward x))) 1e-12 body)
          }
          test "gaussiannoise adds normal numbers of its deviation" {
              scope (fun () -> isNormal (noiseOf "input 50x50x2\ngaussiannoise 0.3" (fun x y -> y - x) 4L) 0.3)
          }
          test "gaussiandropout multiplies by normal numbers of dropout's variance" {
              scope (fun () ->
                  let noise = noiseOf "input 50x50x2\ngaussiandropout 0.2" (fun x y -> y / x - 1.0) 4L
                  isNormal noise (sqrt (0.2 / 0.8)))
          }
          for body in [ "gaussiannoise 0.3"; "gaussiandropout 0.3"; "spatialdropout 0.5"; "dropout 0.5" ] do
              test $"{body}: a sample's noise follows it into any slice" {
                  scope (fun () ->
                      let plan = planOf $"input 3x3x4\n{body}"
                      let network, _ = networkOf plan 1UL
                      let x = samples plan 5

                      let slice first count =
                          let context = step true 5L
                          context.FirstSample <- first
                          context.Step <- 11L
                          network.Step <- context
                          values (network.forward (x.narrow (0L, first, count)))

                      Expect.sequenceEqual (Array.append (slice 0L 2L) (slice 2L 3L)) (slice 0L 5L) "slices"
                      network.Step <- step false 5L
                      Expect.sequenceEqual (values (network.forward x)) (values x) "inference does nothing")
              }
          test "spatialdropout drops whole channels, at its rate" {
              scope (fun () ->
                  let _, _, _, x, y = run "input 2x2x500\nspatialdropout 0.3" true 4L

                  let factors =
                      Array.map2 (/) (values y) (values x) |> Array.map (fun f -> Math.Round(f, 6))

                  let channels = factors |> Array.chunkBySize 4

                  for channel in channels do
                      Expect.equal (Array.distinct channel).Length 1 "one factor for a channel"

                  let kept = channels |> Array.filter (fun channel -> channel[0] <> 0.0)

                  for channel in kept do
                      Expect.equal channel[0] (Math.Round(1.0 / 0.7, 6)) "what stays is scaled up"

                  Expect.isLessThan (abs (float kept.Length / 2000.0 - 0.7)) (5.0 * sqrt (0.3 * 0.7 / 2000.0)) "rate")
          }
          test "rescale and prelu are their formulas" {
              scope (fun () ->
                  let _, _, _, x, y = run "input 4x3\nrescale 2 offset=-1" false 2L

                  Expect.isLessThan
                      (distance (values x |> Array.map (fun v -> 2.0 * v - 1.0)) (values y))
                      1e-15
                      "rescale"

                  let _, _, tensors, x, y = run "input 4x3\nprelu alpha-init=normal" false 2L
                  let alpha = values tensors.Weights[0]

                  let expected =
                      values x |> Array.mapi (fun i v -> if v > 0.0 then v else alpha[i / 4 % 3] * v)

                  Expect.isLessThan (distance expected (values y)) 1e-15 "prelu")
          } ]
