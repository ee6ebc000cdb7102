/// Average pooling over padding divides by numbers that follow from the input's sides, and keeps them from pass to pass: it
/// must compute what it would compute with new ones.
module CnnCluster.Tests.Dsl.AveragePoolingTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels.Layers
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

let private layer = "input ?x?x2\navgpool 3x2 stride=2x1 pad=1"
let private withPadding = layer + " count-pad"

let private images (dtype: torch.ScalarType) isSideBySide (count, height, width) =
    let numbers =
        torch.tensor(Array.init (count * 2 * height * width) float, dtype = torch.float64).sin().``to`` dtype

    let planes = numbers.reshape (int64 count, 2L, int64 height, int64 width)

    (if isSideBySide then ChannelOrder.ChannelsLast planes else planes).detach().requires_grad_ true

let private around (x: torch.Tensor) =
    torch.nn.functional.pad (x, [| 1L; 1L; 1L; 1L |])

let private meanOf (x: torch.Tensor) =
    torch.nn.functional.avg_pool2d (x, [| 3L; 2L |], [| 2L; 1L |])

/// With a divisor of its own.
let private expected (x: torch.Tensor) =
    let counted =
        around (torch.ones ([| 1L; 1L; x.size 2; x.size 3 |], dtype = x.dtype))

    meanOf (around x) / meanOf counted

let private gradientOf (y: torch.Tensor) (x: torch.Tensor) =
    (y * (scores y).``to`` y.dtype).sum().backward()
    let gradient = x.grad.clone ()
    x.grad.zero_ () |> ignore
    gradient

let private exactly (a: torch.Tensor) (b: torch.Tensor) what =
    Expect.equal a.dtype b.dtype $"{what}: type"
    Expect.equal a.shape b.shape $"{what}: shape"
    Expect.isTrue ((a.eq b).all().item<bool>()) what

let private sizes = [ 4, 8, 9; 2, 8, 9; 3, 5, 7; 0, 5, 7; 1, 8, 9; 4, 8, 9 ]

let private moduleOf body dtype =
    NetworkModule.Create(planOf body, 3UL, dtype, torch.CPU)

/// Tensors of this thread that nobody has disposed of.
let private live () =
    DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount

[<Tests>]
let tests =
    testList
        "Dsl.Layers.AveragePooling"
        [ for dtype in [ torch.float64; torch.float32 ] do
              for isSideBySide in [ false; true ] do
                  test $"changing batches and sides change no bit, in {dtype}, channels side by side: {isSideBySide}" {
                      use _ = torch.NewDisposeScope()
                      use network = moduleOf layer dtype
                      let given = sizes |> List.map (images dtype isSideBySide)
                      // All passes wait for their backward passes at once.
                      let outputs = given |> List.map network.forward

                      for size, x, y in List.zip3 sizes given outputs do
                          let y' = expected x
                          exactly y y' $"{size}"
                          exactly (gradientOf y x) (gradientOf y' x) $"{size}, the input's gradient"
                  }
          test "a module without weights takes one type after the other" {
              use _ = torch.NewDisposeScope()
              use network = moduleOf layer torch.float32

              for dtype in [ torch.float32; torch.float64; torch.float32 ] do
                  let x = images dtype false (3, 8, 9)
                  exactly (network.forward x) (expected x) $"{dtype}"
          }
          test "padding that counts is divided by as an element, and what a last window reaches over it is not" {
              use _ = torch.NewDisposeScope()
              use network = moduleOf (withPadding + " ceil") torch.float64

              for rows in [ 8; 7; 8 ] do
                  let x = images torch.float64 false (2, rows, 9)

                  let y =
                      torch.nn.functional.avg_pool2d (
                          x,
                          [| 3L; 2L |],
                          [| 2L; 1L |],
                          [| 1L; 1L |],
                          ceil_mode = true,
                          count_include_pad = true
                      )

                  Expect.isTrue ((network.forward x).allclose y) $"{rows} rows"
          }
          test "of one divisor at a time the module disposes" {
              use _ = torch.NewDisposeScope()
              let given = sizes |> List.map (images torch.float32 false)
              let before = live ()
              let network = moduleOf layer torch.float32

              let passOver x =
                  use _ = torch.NewDisposeScope()
                  network.forward x |> ignore

              for x in given do
                  passOver x
                  Expect.equal (live () - before) 1L "the last one"

              network.Dispose()
              Expect.equal (live ()) before "none"
          } ]
