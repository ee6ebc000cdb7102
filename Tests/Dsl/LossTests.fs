module CnnCluster.Tests.Dsl.LossTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

let private logits = [| [| 1.0; 2.0; 3.0 |]; [| 0.0; -1.0; 0.5 |] |]
let private labels = [| 2L; 0L |]

let private matrix (rows: float[][]) =
    torch.tensor(Array.concat rows, dtype = torch.float64).reshape(int64 rows.Length, -1L)

let private settings (pairs: (string * float) list) =
    SettingValues(dict pairs |> System.Collections.Generic.Dictionary)

let private lossNamed name =
    Loss.all |> List.find (fun l -> l.Name = name)

let private metricNamed name =
    Metric.all |> List.find (fun m -> m.Name = name)

let private prediction probabilities output : Prediction =
    { Output = output
      Target = torch.tensor labels
      Probabilities = probabilities }

let private crossEntropy smoothing probabilities output =
    values (
        (lossNamed "cross-entropy").PerSample
            (settings [ "label-smoothing", smoothing ])
            (prediction probabilities output)
    )

let private softmax (row: float[]) =
    let total = Array.sumBy exp row
    Array.map (fun v -> exp v / total) row

/// −Σ q ln p, with the share s of the target on all classes alike.
let private expectedCrossEntropy smoothing =
    [| for row, label in Array.zip logits labels do
           let p = softmax row

           -Array.sum
               [| for c in 0..2 do
                      let q = (if int64 c = label then 1.0 - smoothing else 0.0) + smoothing / 3.0
                      q * log p[c] |] |]

let private close expected actual =
    Expect.isLessThan (distance expected actual) 1e-12 $"{actual}"

let private scoped act =
    use _ = torch.NewDisposeScope()
    act ()

[<Tests>]
let tests =
    testList
        "Dsl.Losses"
        [ for smoothing in [ 0.0; 0.1; 1.0 ] do
              test $"cross-entropy is its formula, label smoothing {smoothing}" {
                  scoped (fun () ->
                      close (expectedCrossEntropy smoothing) (crossEntropy smoothing false (matrix logits)))
              }

              test $"of a softmax' probabilities, cross-entropy is the same, label smoothing {smoothing}" {
                  scoped (fun () ->
                      close
                          (expectedCrossEntropy smoothing)
                          (crossEntropy smoothing true (matrix (Array.map softmax logits))))
              }
          test "cross-entropy gives PyTorch 1.13's numbers" {
              scoped (fun () ->
                  close [| 0.4076059644443804; 1.1041306053367284 |] (crossEntropy 0.0 false (matrix logits))
                  close [| 0.5076059644443804; 1.120797272003395 |] (crossEntropy 0.1 false (matrix logits)))
          }
          test "a probability of 0 costs much, but not everything" {
              scoped (fun () ->
                  let loss =
                      crossEntropy 0.0 true (matrix [| [| 1.0; 0.0; 0.0 |]; [| 1.0; 0.0; 0.0 |] |])

                  close [| -log 1e-7; -log(1.0 - 1e-7) |] loss)
          }
          test "mse and mae compare with one-hot labels" {
              scoped (fun () ->
                  let of' name =
                      values ((lossNamed name).PerSample (settings []) (prediction false (matrix logits)))

                  close [| (1.0 + 4.0 + 4.0) / 3.0; (1.0 + 1.0 + 0.25) / 3.0 |] (of' "mse")
                  close [| (1.0 + 2.0 + 2.0) / 3.0; (1.0 + 1.0 + 0.5) / 3.0 |] (of' "mae"))
          }
          test "mse and mae compare with a tensor of the output's shape" {
              scoped (fun () ->
                  let output =
                      torch.tensor([| 1.0 .. 8.0 |], dtype = torch.float64).reshape(2L, 1L, 2L, 2L)

                  let of' name =
                      values (
                          (lossNamed name).PerSample
                              (settings [])
                              { Output = output
                                Target = torch.zeros_like output
                                Probabilities = false }
                      )

                  close [| 30.0 / 4.0; 174.0 / 4.0 |] (of' "mse")
                  close [| 10.0 / 4.0; 26.0 / 4.0 |] (of' "mae"))
          }
          test "accuracy and top-k count the labels that were met" {
              scoped (fun () ->
                  let of' name pairs =
                      values ((metricNamed name).PerSample (settings pairs) (prediction false (matrix logits)))

                  Expect.sequenceEqual (of' "accuracy" []) [ 1.0; 0.0 ] "accuracy"
                  Expect.sequenceEqual (of' "top_k_accuracy" [ "k", 1.0 ]) [ 1.0; 0.0 ] "top 1"
                  Expect.sequenceEqual (of' "top_k_accuracy" [ "k", 2.0 ]) [ 1.0; 1.0 ] "top 2"
                  Expect.sequenceEqual (of' "top_k_accuracy" [ "k", 5.0 ]) [ 1.0; 1.0 ] "more than there are classes")
          }
          test "an empty slice has losses and metrics too: none" {
              scoped (fun () ->
                  let empty =
                      { Output = torch.zeros (0L, 3L, dtype = torch.float64)
                        Target = torch.zeros (0L, dtype = torch.int64)
                        Probabilities = false }

                  for loss in Loss.all do
                      Expect.equal ((loss.PerSample (settings [ "label-smoothing", 0.1 ]) empty).numel()) 0L loss.Name

                  for metric in Metric.all do
                      Expect.equal ((metric.PerSample (settings [ "k", 2.0 ]) empty).numel()) 0L metric.Name)
          } ]
