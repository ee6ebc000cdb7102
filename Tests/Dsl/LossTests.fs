module CnnCluster.Tests.Dsl.LossTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Comparisons
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

let private predicted activation target output : Prediction =
    let definition = Activation.all |> List.find (fun a -> a.Name = activation)

    { Output = output
      Target = target
      Kind = definition.Gives |> Option.defaultValue ValueKind.Numbers }

let private prediction activation output =
    predicted activation (torch.tensor labels) output

let private lossValues name pairs prediction =
    values ((lossNamed name).PerSample (settings pairs) prediction)

let private metricValues name pairs prediction =
    values ((metricNamed name).PerSample (settings pairs) prediction)

let private crossEntropy smoothing activation output =
    lossValues "cross-entropy" [ "label-smoothing", smoothing ] (prediction activation output)

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

let private outputs = [| -3.0; -0.5; 0.0; 0.2; 1.0; 2.5; -1.5; 0.7 |]
let private targets = [| 0.0; 1.0; 0.5; 0.2; 0.9; 0.0; 0.4; 1.0 |]

let private binaryCrossEntropy smoothing x target =
    let z = target * (1.0 - smoothing) + smoothing / 2.0
    let p = 1.0 / (1.0 + exp -x)
    -z * log p - (1.0 - z) * log (1.0 - p)

let private huber delta x target =
    let e = abs (x - target)
    if e <= delta then e * e / 2.0 else delta * e - delta * delta / 2.0

/// Losses of single elements: name, settings, and the formula of an output and its target.
let private elementwise: (string * (string * float) list * (float -> float -> float)) list =
    [ "mse", [], (fun x z -> (x - z) ** 2.0)
      "mae", [], (fun x z -> abs (x - z))
      "huber", [ "delta", 1.0 ], huber 1.0
      "huber", [ "delta", 0.3 ], huber 0.3
      "log-cosh", [], (fun x z -> log (cosh (x - z)))
      "binary-cross-entropy", [ "label-smoothing", 0.0 ], binaryCrossEntropy 0.0
      "binary-cross-entropy", [ "label-smoothing", 0.2 ], binaryCrossEntropy 0.2 ]

let private margins =
    [ "hinge", (fun x y -> max 0.0 (1.0 - y * x)); "squared-hinge", (fun x y -> (max 0.0 (1.0 - y * x)) ** 2.0) ]

/// Derivatives by the output, for a target of 0.
let private slopes =
    [ "binary-cross-entropy", [ "label-smoothing", 0.0 ], (fun x -> 1.0 / (1.0 + exp -x))
      "log-cosh", [], tanh
      "huber", [ "delta", 1.0 ], (fun x -> max -1.0 (min 1.0 x))
      "mse", [], (fun x -> 2.0 * x) ]

[<Tests>]
let tests =
    testList
        "Dsl.Losses"
        [ for smoothing in [ 0.0; 0.1; 1.0 ] do
              test $"cross-entropy is its formula, label smoothing {smoothing}" {
                  scoped (fun () ->
                      close (expectedCrossEntropy smoothing) (crossEntropy smoothing "linear" (matrix logits)))
              }

              test $"of a softmax' probabilities, cross-entropy is the same, label smoothing {smoothing}" {
                  scoped (fun () ->
                      close
                          (expectedCrossEntropy smoothing)
                          (crossEntropy smoothing "softmax" (matrix (Array.map softmax logits))))
              }
          test "cross-entropy gives PyTorch 1.13's numbers" {
              scoped (fun () ->
                  close [| 0.4076059644443804; 1.1041306053367284 |] (crossEntropy 0.0 "linear" (matrix logits))
                  close [| 0.5076059644443804; 1.120797272003395 |] (crossEntropy 0.1 "linear" (matrix logits)))
          }
          test "a probability of 0 costs much, but not everything" {
              scoped (fun () ->
                  let loss =
                      crossEntropy 0.0 "softmax" (matrix [| [| 1.0; 0.0; 0.0 |]; [| 1.0; 0.0; 0.0 |] |])

                  close [| -log 1e-7; -log(1.0 - 1e-7) |] loss)
          }
          test "log-probabilities are logits too: their log-softmax is what they are" {
              scoped (fun () ->
                  let logs = torch.nn.functional.log_softmax (matrix logits, 1L)
                  close (expectedCrossEntropy 0.0) (crossEntropy 0.0 "logsoftmax" logs))
          }
          for name, pairs, formula in elementwise do
              let told =
                  name :: [ for setting, value in pairs -> $"{setting}={value}" ]
                  |> String.concat " "

              test $"{told} is the mean of its formula over a tensor of the output's shape" {
                  scoped (fun () ->
                      let output = torch.tensor(outputs, dtype = torch.float64).reshape(2L, 1L, 2L, 2L)
                      let target = torch.tensor(targets, dtype = torch.float64).reshape(2L, 1L, 2L, 2L)
                      let each = Array.map2 formula outputs targets |> Array.chunkBySize 4

                      close
                          (each |> Array.map Array.average)
                          (lossValues name pairs (predicted "linear" target output)))
              }

              test $"{told} takes classes as one-hot vectors, and two of them as 0 and 1" {
                  scoped (fun () ->
                      let oneHot =
                          [| for row, label in Array.zip logits labels ->
                                 row
                                 |> Array.mapi (fun c x -> formula x (if int64 c = label then 1.0 else 0.0))
                                 |> Array.average |]

                      close oneHot (lossValues name pairs (prediction "linear" (matrix logits)))
                      let single = matrix [| [| 0.7 |]; [| -1.2 |] |]
                      let target = torch.tensor [| 1L; 0L |]

                      close
                          [| formula 0.7 1.0; formula -1.2 0.0 |]
                          (lossValues name pairs (predicted "linear" target single)))
              }
          for name, formula in margins do
              test $"{name} is its formula, with 1 for the sample's class and -1 for others" {
                  scoped (fun () ->
                      let oneHot =
                          [| for row, label in Array.zip logits labels ->
                                 row
                                 |> Array.mapi (fun c x -> formula x (if int64 c = label then 1.0 else -1.0))
                                 |> Array.average |]

                      close oneHot (lossValues name [] (prediction "linear" (matrix logits)))
                      let single = matrix [| [| 0.7 |]; [| -1.2 |] |]
                      let target = torch.tensor [| 1L; 1L |]

                      close
                          [| formula 0.7 1.0; formula -1.2 1.0 |]
                          (lossValues name [] (predicted "linear" target single)))
              }
          for activation in [ "sigmoid"; "hardsigmoid"; "sparsesigmoid"; "softmax" ] do
              test $"behind {activation}, binary-cross-entropy takes probabilities" {
                  scoped (fun () ->
                      let probabilities = outputs |> Array.map (fun x -> 1.0 / (1.0 + exp -x))
                      let output = torch.tensor(probabilities, dtype = torch.float64).reshape(2L, 4L)
                      let target = torch.tensor(targets, dtype = torch.float64).reshape(2L, 4L)
                      let pairs = [ "label-smoothing", 0.1 ]

                      let expected =
                          Array.map2 (binaryCrossEntropy 0.1) outputs targets
                          |> Array.chunkBySize 4
                          |> Array.map Array.average

                      close expected (lossValues "binary-cross-entropy" pairs (predicted activation target output)))
              }
          test "binary-cross-entropy of great logits stays finite and exact" {
              scoped (fun () ->
                  let output = matrix [| [| 1000.0 |]; [| -1000.0 |]; [| 40.0 |]; [| -800.0 |] |]
                  let target = torch.tensor [| 0L; 1L; 1L; 0L |]

                  close
                      [| 1000.0; 1000.0; exp -40.0; 0.0 |]
                      (lossValues "binary-cross-entropy" [ "label-smoothing", 0.0 ] (predicted "linear" target output)))
          }
          for name, pairs, slope in slopes do
              test $"the slope of {name} is right on both sides of 0, and at 0" {
                  scoped (fun () ->
                      let xs = [| -2.5; -0.3; 0.0; 0.4; 1.7 |]
                      let output = matrix (Array.map Array.singleton xs)
                      output.requires_grad <- true
                      let target = torch.zeros (5L, 1L, dtype = torch.float64)

                      (lossNamed name).PerSample (settings pairs) (predicted "linear" target output)
                      |> fun loss -> loss.sum().backward()

                      close (Array.map slope xs) (values output.grad))
              }
          test "accuracy and top-k count the labels that were met" {
              scoped (fun () ->
                  let of' name pairs =
                      metricValues name pairs (prediction "linear" (matrix logits))

                  Expect.sequenceEqual (of' "accuracy" []) [ 1.0; 0.0 ] "accuracy"
                  Expect.sequenceEqual (of' "top_k_accuracy" [ "k", 1.0 ]) [ 1.0; 0.0 ] "top 1"
                  Expect.sequenceEqual (of' "top_k_accuracy" [ "k", 2.0 ]) [ 1.0; 1.0 ] "top 2"
                  Expect.sequenceEqual (of' "top_k_accuracy" [ "k", 5.0 ]) [ 1.0; 1.0 ] "more than there are classes")
          }
          for activation, threshold in [ "linear", 0.0; "tanh", 0.0; "sigmoid", 0.5 ] do
              test $"of a single element behind {activation}, accuracy takes class 1 above {threshold}" {
                  scoped (fun () ->
                      let output =
                          matrix [| for step in [ -0.2; -0.1; 0.1; 0.2 ] -> [| threshold + step |] |]

                      let target = torch.tensor [| 0L; 1L; 0L; 1L |]

                      Expect.sequenceEqual
                          (metricValues "accuracy" [] (predicted activation target output))
                          [ 1.0; 0.0; 0.0; 1.0 ]
                          "met")
              }
          test "binary_accuracy is the share of elements on the right side of the threshold" {
              scoped (fun () ->
                  let output = matrix [| [| 0.9; 0.2; 0.65; 0.4 |]; [| 0.1; 0.1; 0.1; 0.8 |] |]
                  let target = matrix [| [| 1.0; 0.0; 0.0; 1.0 |]; [| 0.0; 0.0; 0.0; 1.0 |] |]

                  let of' threshold =
                      metricValues "binary_accuracy" [ "threshold", threshold ]

                  Expect.sequenceEqual (of' 0.5 (predicted "sigmoid" target output)) [ 0.5; 1.0 ] "at a half"
                  Expect.sequenceEqual (of' 0.7 (predicted "sigmoid" target output)) [ 0.75; 1.0 ] "at 0.7"
                  let logits = (output / output.SubtractedFrom 1.0).log()
                  Expect.sequenceEqual (of' 0.5 (predicted "linear" target logits)) [ 0.5; 1.0 ] "of logits")
          }
          test "mse and mae as metrics are the losses of that name" {
              scoped (fun () ->
                  for name in [ "mse"; "mae" ] do
                      let prediction = prediction "linear" (matrix logits)
                      Expect.sequenceEqual (metricValues name [] prediction) (lossValues name [] prediction) name)
          }
          test "an empty slice has losses and metrics too: none" {
              scoped (fun () ->
                  let empty =
                      { Output = torch.zeros (0L, 3L, dtype = torch.float64)
                        Target = torch.zeros (0L, dtype = torch.int64)
                        Kind = ValueKind.Numbers }

                  for loss in Loss.all do
                      let defaults = [ for s in loss.Settings -> s.Name, s.Default.Value ]
                      Expect.equal ((loss.PerSample (settings defaults) empty).numel()) 0L loss.Name

                  for metric in Metric.all do
                      let defaults = [ for s in metric.Settings -> s.Name, s.Default.Value ]
                      Expect.equal ((metric.PerSample (settings defaults) empty).numel()) 0L metric.Name)
          } ]
