/// What the chapter says of convolution.
module CnnCluster.Tests.Chapter.ConvolutionTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Dsl
open CnnCluster.Tests.Chapter.Networks
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.LayerReferences

let private property name count generator check =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = count }
        name
        (Prop.forAll (Arb.fromGen generator) check)

// ---- sizes and weights ----

type private Case =
    { Height: int
      Width: int
      Depth: int
      Kernels: int
      Size: int
      Stride: int
      Padding: int }

let private cases =
    gen {
        let! height = Gen.choose (1, 300)
        let! width = Gen.choose (1, 300)
        let! depth = Gen.choose (1, 9)
        let! kernels = Gen.choose (1, 70)
        let! size = Gen.choose (1, 11)
        let! stride = Gen.choose (1, 6)
        let! padding = Gen.choose (0, 7)

        return
            { Height = height
              Width = width
              Depth = depth
              Kernels = kernels
              Size = size
              Stride = stride
              Padding = padding }
    }

/// ⌊(H − k + 2p)/s⌋ + 1, in real numbers.
let private formula side case =
    int (floor (float (side - case.Size + 2 * case.Padding) / float case.Stride))
    + 1

let private outputSize layer case =
    let body =
        $"input {case.Height}x{case.Width}x{case.Depth}\n{layer case} stride={case.Stride} pad={case.Padding}"

    let expected = formula case.Height case, formula case.Width case

    let plan =
        Script.Network(Scripts.source $"network N {{\n{body}\n}}", null, [], Scripts.catalogues)

    if min (fst expected) (snd expected) < 1 then
        Expect.isTrue plan.HasErrors $"{body}: the window fits nowhere"
    else
        let output = (described body).Layers[0].Output
        Expect.equal (output[0].Value, output[1].Value) expected body

let private smallPadding case =
    { case with
        Padding = min case.Padding (case.Size - 1) }

let private conv case = $"conv {case.Kernels} {case.Size}"
let private maxpool case = $"maxpool {case.Size}"

let private sizes =
    testList
        "sizes and weights"
        [ property "the output is ⌊(H − k + 2p)/s⌋ + 1 high, and as wide by W" 300 cases (outputSize conv)
          property "the same holds for pooling" 200 cases (smallPadding >> outputSize maxpool)
          test "without padding the output is smaller than the input by k − 1; with SAME it is not" {
              for k in [ 1; 2; 3; 5; 8 ] do
                  let output padding =
                      (described $"input 28x20x1\nconv 4 {k} pad={padding}").Layers[0].OutputText

                  Expect.equal (output "valid") $"{29 - k}x{21 - k}x4" $"valid, k = {k}"
                  Expect.equal (output "same") "28x20x4" $"same, k = {k}"
          }
          property "a layer has N·(D·k² + 1) weights, whatever the image's size" 200 cases (fun case ->
              let count sides =
                  (described $"input {sides}x{case.Depth}\n{conv case} pad={case.Size}").Parameters

              let expected = int64 (case.Kernels * (case.Depth * case.Size * case.Size + 1))
              Expect.equal (count $"{case.Height}x{case.Width}") expected "of this image"
              Expect.equal (count "?x?") expected "of any image")
          test "with one side or three, or over each channel by itself, sizes and weights follow the same rules" {
              let conv body =
                  let description = described body
                  description.Layers[0].OutputText, description.Parameters

              Expect.equal (conv "input 100x4\nconv 8 5 stride=2") ("48x8", 8L * (4L * 5L + 1L)) "1-D"
              Expect.equal (conv "input 9x8x7x2\nconv 3 3 pad=1 stride=2") ("5x4x4x3", 3L * (2L * 27L + 1L)) "3-D"
              Expect.equal (conv "input 28x28x6\nconv 6 5x5 groups=6") ("24x24x6", 6L * (25L + 1L)) "depthwise"
          }
          test "64 dense units on an image of 28x28x1 have 50,176 weights, and a bias each" {
              Expect.equal (described "input 28x28x1\nflatten\ndense 64 bias=no").Parameters 50176L "kernel"
              Expect.equal (described "input 28x28x1\nflatten\ndense 64").Parameters (50176L + 64L) "kernel and bias"
          }
          test "dense layers fix the size of the input: behind an open side they are refused" {
              let plan =
                  Script.Network(
                      Scripts.source "network N {\ninput ?x?x1\nflatten\ndense 64\n}",
                      null,
                      [],
                      Scripts.catalogues
                  )

              Expect.stringContains plan.Text "has open sides" "flatten"
          }
          test "kernels start Glorot-uniform, biases at zero" {
              use _ = torch.NewDisposeScope()
              let _, tensors = networkOf (planOf "input ?x?x8\nconv 16 5x5") 3UL
              let limit = sqrt (6.0 / (25.0 * 8.0 + 25.0 * 16.0))
              let kernel = values tensors.Weights[0]
              Expect.isLessThan (greatest (Array.map abs kernel)) limit "within the limit"
              Expect.isGreaterThan (Array.max kernel) (0.98 * limit) "and close to it"
              Expect.isLessThan (Array.min kernel) (-0.98 * limit) "on both sides"

              Expect.isLessThan
                  (abs (Array.averageBy (fun w -> w * w) kernel / (limit * limit / 3.0) - 1.0))
                  0.05
                  "variance"

              Expect.equal (values tensors.Weights[1]) (Array.zeroCreate 16) "biases"
          } ]

// ---- any size ----

let private anySize =
    let convolutional = "input ?x?x2\nconv 3 3 relu\nmaxpool 2\nconv 2 3 stride=2 tanh"

    testList
        "any size"
        [ test "a purely convolutional network takes images of any size with the same weights" {
              use _ = torch.NewDisposeScope()
              let network, _ = networkOf (planOf convolutional) 5UL

              for height, width in [ 20, 30; 33, 18; 64, 64 ] do
                  let image = torch.zeros (1L, 2L, int64 height, int64 width, dtype = torch.float64)
                  // Two less, a half, two less and a half rounded up.
                  let side n = ((n - 2) / 2 - 3) / 2 + 1

                  Expect.sequenceEqual
                      (network.forward image).shape
                      [ 1L; 2L; int64 (side height); int64 (side width) ]
                      "shape"
          }
          test "it sees a part of an image as it sees the whole" {
              use _ = torch.NewDisposeScope()
              let network, _ = networkOf (planOf convolutional) 5UL
              let whole = samples (planOf "input 40x36x2") 1
              let part = whole.narrow(2L, 8L, 24L).narrow(3L, 4L, 28L)
              let all, some = network.forward whole, network.forward part
              // A step of the output is four pixels of the input.
              let same = all.narrow(2L, 2L, some.size 2).narrow(3L, 1L, some.size 3)
              Expect.isLessThan (distance (values same) (values some)) 1e-12 "the same numbers"
          } ]

// ---- what is computed ----

let private picture =
    [ for i in 0..4 -> [ for j in 0..5 -> float ((7 * i + 3 * j * j) % 11) - 4.0 ] ]

let private kernel = [ [ 1.0; 2.0; -1.0 ]; [ 0.0; 3.0; 4.0 ]; [ -2.0; 5.0; 0.5 ] ]

let private text (kernel: float list list) =
    "[" + String.Join("; ", [ for row in kernel -> String.Join(" ", row) ]) + "]"

/// Σ w[l, m]·x[i + a·l, j + a·m] at every place where all of it lies within the picture: a = 1 correlates, a = −1
/// convolves.
let private sums (a: int) =
    let from = if a > 0 then 0 else 2

    [ for i in from .. from + 2 ->
          [ for j in from .. from + 3 ->
                List.sum
                    [ for l, m in List.allPairs [ 0..2 ] [ 0..2 ] -> kernel[l].[m] * picture[i + a * l].[j + a * m] ] ] ]

let private flipped = kernel |> List.map List.rev |> List.rev

let private correlation =
    testList
        "correlation"
        [ test "conv is cross-correlation: z[i, j] = Σ w[l, m]·x[i + l, j + m]" {
              Expect.equal
                  (rows (outputOf $"input ?x?x1\nconv kernel={text kernel}" (image picture)))
                  (sums 1)
                  "numbers"
          }
          test "with the kernel flipped it is the mathematical convolution, Σ w[l, m]·x[i − l, j − m]" {
              Expect.equal
                  (rows (outputOf $"input ?x?x1\nconv kernel={text flipped}" (image picture)))
                  (sums -1)
                  "numbers"

              Expect.notEqual (sums 1) (sums -1) "which are others"
          }
          test "a single bright pixel shows the kernel flipped" {
              let impulse =
                  [ for i in 0..4 -> [ for j in 0..4 -> if (i, j) = (2, 2) then 1.0 else 0.0 ] ]

              Expect.equal (rows (outputOf $"input ?x?x1\nconv kernel={text kernel}" (image impulse))) flipped "kernel"
          }
          test "over several channels it sums over them, and adds the bias" {
              use _ = torch.NewDisposeScope()
              let network, tensors = networkOf (planOf "input 3x3x2\nconv 1 3") 1UL
              tensors.Weights[1].fill_(Scalars.Of 0.25) |> ignore
              let x = samples network.Plan 1
              let products = Array.map2 (*) (values tensors.Weights[0]) (values x)

              Expect.floatClose
                  Accuracy.veryHigh
                  (values (network.forward x)).[0]
                  (Array.sum products + 0.25)
                  "one place"
          } ]

// ---- the receptive field ----

/// Kernel size and stride of each layer of a chain; two of three are convolutions.
let private chains =
    Gen.zip (Gen.choose (1, 5)) (Gen.choose (1, 3)) |> Gen.listOf |> Gen.resize 6

let private chainOf layers =
    [ for i, (k, s) in List.indexed layers ->
          if i % 3 = 2 then
              $"avgpool {k} stride={s}"
          else
              $"conv 1 {k} stride={s} kernel-init=ones" ]
    |> String.concat "\n"

/// R(i) = R(i−1) + (k(i) − 1)·∏ s(j), j < i, from R(0) = 1.
let private receptiveFields layers =
    ((1, 1), layers)
    ||> List.scan (fun (field, jump) (k, s) -> field + (k - 1) * jump, jump * s)
    |> List.tail
    |> List.map fst

/// How many places of a row the first element of the output depends on: those where it has a slope.
let private seen body (length: int) =
    use _ = torch.NewDisposeScope()
    let network, _ = networkOf (planOf body) 1UL
    let x = torch.ones (1L, 1L, int64 length, dtype = torch.float64)
    x.requires_grad <- true
    (network.forward x).reshape(-1L).[0].backward()
    values x.grad |> Array.filter (fun slope -> slope <> 0.0) |> Array.length

let private fieldsOf body =
    [ for layer in (described body).Layers -> [ for side in layer.ReceptiveField -> int side.Value ] ]

let private fields =
    testList
        "receptive field"
        [ test "two layers of 3x3 see 5x5 of the input" {
              Expect.equal (fieldsOf "input ?x?x1\nconv 1 3x3\nconv 1 3x3") [ [ 3; 3 ]; [ 5; 5 ] ] "described"
              Expect.equal (seen "input ?x1\nconv 1 3 kernel-init=ones\nconv 1 3 kernel-init=ones" 9) 5 "a row of it"
          }
          test "strides and pooling let it grow quickly" {
              Expect.equal
                  (fieldsOf "input ?x?x1\nconv 1 3x3 stride=2\nconv 1 3x3\nmaxpool 2x2\nconv 1 3x3")
                  [ [ 3; 3 ]; [ 7; 7 ]; [ 9; 9 ]; [ 17; 17 ] ]
                  "described"
          }
          property "R(i) = R(i−1) + (k(i) − 1)·∏ s(j<i), from R(0) = 1" 100 chains (fun layers ->
              Expect.equal
                  (fieldsOf $"input ?x?x1\n{chainOf layers}")
                  [ for field in receptiveFields layers -> [ field; field ] ]
                  "described"

              let widest = List.fold max 1 (receptiveFields layers)

              // Where strides are wider than what is behind them sees, pixels in between count for nothing.
              if List.forall (fun (k, s) -> k >= s) layers then
                  Expect.equal (seen $"input ?x1\n{chainOf layers}" (widest + 3)) widest "measured") ]

[<Tests>]
let tests = testList "Chapter.convolution" [ sizes; anySize; correlation; fields ]
