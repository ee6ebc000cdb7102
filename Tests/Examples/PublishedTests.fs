/// The examples are without mistakes, and as large as their papers and libraries say.
module CnnCluster.Tests.Examples.PublishedTests

open System
open System.IO
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests
open CnnCluster.Tests.Cli

/// Parameters of each example, and who says so.
let private published =
    [ "lenet5", 61_706L // 6(1·5² + 1) + 16(6·5² + 1) + 120(400 + 1) + 84(120 + 1) + 10(84 + 1)
      "lenet5-tanh", 61_706L
      "lenet5-mnist", 61_706L
      "lenet5-mnist-adam", 61_706L
      "alexnet", 61_100_840L // torchvision
      "vgg16", 138_357_544L // torchvision
      "googlenet", 6_624_904L // torchvision
      "resnet18", 11_689_512L // torchvision
      "resnet50", 25_557_032L // torchvision
      "densenet121", 7_978_856L // torchvision
      "squeezenet1_1", 1_235_496L // torchvision
      "mobilenetv1", 4_231_976L // Keras, trainable
      "mobilenetv2", 3_504_872L // torchvision
      "unet", 31_030_658L // the sum below; the paper gives none
      "fully-convolutional", 1_369_738L // 1.4 million in the paper; the sum of N(D·k² + 1) over its table 1
      "autoencoder", 109_985L // ours: the sum of N(D·k² + 1)
      "siamese", 11_681L // ours: 8·26 + 16(8·25 + 1) + 32·257 + 33
      "two-in-two-out", 17_108L // ours: 208 + 3,216 + 8,224 + 64·65 + 19·65 + 65
      "blur", 9L // one fixed 3x3 kernel
      "blur-colour", 27L // one for each colour
      "edges", 9L
      "pooling", 0L ]

/// The names that torchvision has for them.
let private inTorchvision =
    [ for name in [ "alexnet"; "vgg16"; "googlenet"; "resnet18"; "resnet50"; "densenet121"; "squeezenet1_1" ] do
          name, name
      "mobilenetv2", "mobilenet_v2" ]

/// N kernels of D channels and side k, with their biases.
let private kernels filters depth side = filters * (depth * side * side + 1)

/// U-Net's parameters: two 3x3 convolutions on each level; on the way up a 2x2 one in front of them, and twice the
/// channels for the first of them.
let private unetParameters =
    let levels = [ 64; 128; 256; 512; 1024 ]

    let down =
        [ for depth, filters in List.pairwise (1 :: levels) do
              kernels filters depth 3
              kernels filters filters 3 ]

    let up =
        [ for filters, depth in List.pairwise levels do
              kernels filters depth 2
              kernels filters (2 * filters) 3
              kernels filters filters 3 ]

    List.sum down + List.sum up + kernels 2 64 1

let private outputs (plan: NetworkPlan) =
    [ for output in plan.Outputs -> Shape.text (plan.ShapeOf output.Source) ]

[<Tests>]
let tests =
    testList
        "Examples.Published"
        [ test "every example is checked without a word" {
              let files = [ for name in Examples.names -> Repository.file $"examples/{name}.cnn" ]

              Cnn.inFolder (fun folder ->
                  let result =
                      Cnn.start ("check" :: files) folder |> Cnn.finish (TimeSpan.FromMinutes 1.0)

                  Expect.equal (result.ExitCode, result.Output, result.Error) (0, "", "") "cnn check")
          }
          test "every example is in its canonical form" {
              for name in Examples.names do
                  let source = Examples.source name
                  Expect.equal (Formatter.Format source).Text source.Text name
          }
          test "every example has a count to be held to, and its row in the examples' page" {
              let page = File.ReadAllText(Repository.file "examples/README.md")
              Expect.equal (Set(List.map fst published)) (Set Examples.names) "the table of counts"

              for name, count in published do
                  let row =
                      page.Split '\n'
                      |> Array.tryFind (fun line -> line.StartsWith $"| `{name}.cnn` |")

                  Expect.stringEnds (defaultArg row "") $"| {count:N0} |" $"the row of {name}"
          }
          for name, count in published do
              test $"{name} has {count:N0} parameters" {
                  let plan = Examples.plan name
                  let description = Description.ofPlan plan
                  Expect.equal plan.Parameters count "the plan"
                  Expect.equal description.Parameters count "its description"
                  Expect.equal description.Layers.Count plan.Nodes.Length "layers described"
              }
          test "counts are those of torchvision's own networks" {
              let references, counts = TorchvisionReferences.networks (), Map published

              for ours, theirs in inTorchvision do
                  Expect.equal counts[ours] references[theirs].Parameters ours
          }
          test "MobileNet has Keras' 4,253,864 numbers with those that are not trained" {
              let plan = Examples.plan "mobilenetv1"
              let kept = plan.Buffers |> Seq.sumBy (fun buffer -> Seq.fold (*) 1L buffer.Shape)
              Expect.equal (plan.Parameters + kept) 4_253_864L "weights, running means and variances"
          }
          test "ResNet-152 is ResNet-50 with other counts, and has torchvision's 60,192,808 parameters" {
              let script =
                  Examples.source "resnet50"
                  |> Examples.edited "64 3 1; 128 4 2; 256 6 2; 512 3 2" "64 3 1; 128 8 2; 256 36 2; 512 3 2"

              let count = (Examples.planOf script).Parameters
              Expect.equal count 60_192_808L "as published"
              let theirs = TorchvisionReferences.networks()["resnet152"]
              Expect.equal count theirs.Parameters "as torchvision's network has"
          }
          test "U-Net turns 572x572 into 388x388, with the parameters that its table comes to" {
              let plan = Examples.plan "unet"
              Expect.equal (outputs plan) [ "388x388x2" ] "output"
              Expect.equal plan.Parameters (int64 unetParameters) "the sum over its convolutions"
          }
          test "the fully convolutional network takes images of any size" {
              for size in [ "32x32x3"; "97x64x3" ] do
                  let plan =
                      Examples.source "fully-convolutional"
                      |> Examples.edited "?x?x3" size
                      |> Examples.planOf

                  Expect.equal (outputs plan) [ "10" ] size
          }
          test "the autoencoder gives back what has its input's shape" {
              let plan = Examples.plan "autoencoder"
              Expect.equal (outputs plan) [ Shape.text plan.Inputs.Head.Shape ] "output"
          }
          test "to the Siamese pair it is one which image is left and which is right" {
              use _ = torch.NewDisposeScope()

              use network =
                  NetworkModule.Create(Examples.plan "siamese", 1UL, torch.float64, torch.CPU)

              let image role =
                  let pixels = SplitMix.uniform SplitMix.Role.Input role (28 * 28)
                  torch.tensor(pixels, dtype = torch.float64).reshape(1L, 1L, 28L, 28L)

              let logit left right =
                  network.Run([| image left; image right |]).[0].item<float>()

              Expect.equal (logit 0 1) (logit 1 0) "swapped"
              Expect.notEqual (logit 0 1) (logit 0 0) "other images"
          }
          test "the network with two inputs has two outputs" {
              let plan = Examples.plan "two-in-two-out"
              Expect.equal [ for input in plan.Inputs -> input.Name ] [ "left"; "right" ] "inputs"
              Expect.equal [ for output in plan.Outputs -> output.Name ] [ "sum"; "difference" ] "outputs"
              Expect.equal (outputs plan) [ "19"; "1" ] "their shapes"
          } ]
