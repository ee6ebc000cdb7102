/// The kernels that compute 16 samples at a time against libtorch in float64, on registers of every width.
module CnnCluster.Tests.Kernels.Layers.Lanes.LaneNetworkTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Layers.Lanes
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Kernels.Layers.Lanes.LaneCases

let private lenet =
    [ Conv(6, geometry (5, 5) (1, 1) (1, 1) (2, 2) (2, 2), StageEnding.ReluMaxPool, true)
      Conv(16, geometry (5, 5) (1, 1) (1, 1) (0, 0) (0, 0), StageEnding.ReluMaxPool, true)
      Dense(120, true, true)
      Dense(84, true, true)
      Dense(10, false, true) ]

let private lenetInput = LaneShape(1, 28, 28)

let private lenetOf (generator: Random) =
    new LaneNetwork(lenetInput, laneLayers lenet (weights generator lenetInput lenet))

let private bits (y: torch.Tensor) = y.data<single>().ToArray()

[<Tests>]
let tests =
    testList
        "Kernels.Layers.Lanes.LaneNetwork"
        [ for width in widths do
              test $"LeNet-5 agrees with libtorch in float64 on {int width} bits" { agree width lenetInput 37 lenet 11 }

              testPropertyWithConfig
                  { FsCheckConfig.defaultConfig with
                      maxTest = 60 }
                  $"convolutions of any kernel, stride, dilation and padding agree on {int width} bits"
                  (fun (seed: int) ->
                      let shape, count, layers = drawn seed
                      agree width shape count layers (seed ^^^ 77))

          test "a prefix of a batch has the bits of the batch" {
              scope (fun () ->
                  let generator = Random 5
                  use network = lenetOf generator
                  let x = random generator [| 45L; 1L; 28L; 28L |]
                  use _ = torch.no_grad ()
                  let whole = bits (network.Run(x, step ()))

                  for count in [ 1L; 2L; 15L; 16L; 17L; 31L; 33L ] do
                      let part = bits (network.Run(x.narrow (0L, 0L, count), step ()))
                      Expect.equal part whole[.. part.Length - 1] $"{count} samples")
          }

          test "registers of every width give the same bits forward" {
              scope (fun () ->
                  let weights = weights (Random 6) lenetInput lenet
                  let x = random (Random 7) [| 20L; 1L; 28L; 28L |]
                  use _ = torch.no_grad ()

                  let outputs =
                      [ for width in widths do
                            use network = new LaneNetwork(lenetInput, laneLayers lenet weights, Nullable width)
                            bits (network.Run(x, step ())) ]

                  Expect.allEqual outputs outputs.Head "outputs")
          }

          test "no samples have an output of none, and no gradient" {
              scope (fun () ->
                  use network = lenetOf (Random 1)
                  let x = torch.zeros ([| 0L; 1L; 28L; 28L |], requires_grad = true)
                  let y = run network x
                  Expect.equal y.shape [| 0L; 10L; 1L; 1L |] "shape"
                  Expect.equal x.grad.shape x.shape "gradient")
          }

          test "a NaN goes through ReLU and pooling, in its own sample alone" {
              scope (fun () ->
                  use network = lenetOf (Random 2)
                  let x = random (Random 3) [| 3L; 1L; 28L; 28L |]
                  x[torch.TensorIndex.Single 1L].fill_(Scalars.Of nan) |> ignore
                  use _ = torch.no_grad ()
                  let isNaN = [| for v in bits (network.Run(x, step ())) -> Single.IsNaN v |]
                  Expect.equal isNaN [| for i in 0..29 -> i / 10 = 1 |] "which are NaN")
          }

          test "gradients are added to what is there" {
              scope (fun () ->
                  let layers = [ Dense(3, false, true) ]
                  let shape = LaneShape(4, 1, 1)
                  let own = laneLayers layers (weights (Random 4) shape layers)
                  use network = new LaneNetwork(shape, own)
                  let x = random (Random 5) [| 5L; 4L; 1L; 1L |]
                  let gradient = (Seq.head (LaneLayer.WeightsOf own.Head)).Gradient
                  run network x |> ignore
                  let once = bits (nonNull gradient)
                  run network x |> ignore
                  Expect.equal (bits (nonNull gradient)) [| for v in once -> v + v |] "twice as much")
          }

          test "two passes may be under way before either goes back" {
              scope (fun () ->
                  use network = lenetOf (Random 8)

                  let a, b =
                      random (Random 9) [| 4L; 1L; 28L; 28L |], random (Random 10) [| 20L; 1L; 28L; 28L |]

                  a.requires_grad <- true
                  let context = step ()
                  let first = network.Run(a, context)
                  let second = network.Run(b, context)
                  (first.sum().Plus(second.sum ())).backward()
                  context.ThrowIfFailed()
                  let together = bits a.grad
                  a.grad.zero_ () |> ignore
                  network.Run(a, context).sum().backward()
                  Expect.equal (bits a.grad) together "the first pass' gradient")
          }

          test "a second backward pass over one forward pass is refused" {
              scope (fun () ->
                  use network = lenetOf (Random 8)
                  let context = step ()
                  let y = network.Run(random (Random 9) [| 4L; 1L; 28L; 28L |], context).sum()
                  y.backward (retain_graph = true)
                  y.backward ()
                  Expect.throwsT<InvalidOperationException> context.ThrowIfFailed "said afterwards")
          }

          test "samples of another size are refused" {
              scope (fun () ->
                  use network = lenetOf (Random 1)

                  Expect.throwsT<ArgumentException>
                      (fun () -> network.Run(torch.zeros [| 2L; 1L; 8L; 8L |], step ()) |> ignore)
                      "8×8 in place of 28×28")
          }

          test "weights of another type are refused" {
              scope (fun () ->
                  let kernel = torch.zeros ([| 2L; 3L |], dtype = torch.float64)
                  let layer = LaneLayer.Dense(LaneWeight(kernel, null), null, false)

                  Expect.throwsT<ArgumentException>
                      (fun () -> (new LaneNetwork(LaneShape(3, 1, 1), [ layer ])).Dispose())
                      "float64")
          } ]
