module CnnCluster.Tests.Trainer.Images.ImageNetworkTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Trainer.Images
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Trainer.Images.Pictures

/// A network's plan for an image of 20x30.
let private planOf body =
    let result =
        Script.Network(source $"network N {{\n{body}\n}}", null, [ Shape.image 20 30 3 ], catalogues)

    Option.ofObj result.Value |> Option.defaultWith (fun () -> failwith result.Text)

let private network body = ImageNetwork(planOf body, null)

let private picture channels =
    let planes = [ for channel in 0 .. channels - 1 -> unit (draw 20 30 channel) ]

    PixelImage(
        channels,
        20,
        30,
        [| for plane in planes do
               for value in Seq.cast<float> plane -> float32 value |]
    )

let private apply (network: ImageNetwork) =
    use made = NetworkModule.Create(network.Plan, 1UL, torch.float32, torch.CPU)
    network.Apply(made, network.Fit(picture 3, "picture.png", false), torch.CPU)

let private refuses body (output: string) message =
    Expect.stringContains (refusal (fun () -> ImageNetwork(planOf body, output))) message body

[<Tests>]
let tests =
    testList
        "Trainer.Images.ImageNetwork"
        [ test "a network that does nothing gives the image back" {
              Expect.equal (apply (network "input ?x?x3")).Values (picture 3).Values "colours"
              Expect.equal (apply (network "input ?x?x1")).Values ((picture 3).Grey()).Values "luma"
          }
          test "one of several outputs is picked by its name" {
              let plan = planOf "input ?x?x3\nmaxpool 2\noutput a\nmaxpool 5\noutput b"
              Expect.equal (apply (ImageNetwork(plan, "a"))).Width 15 "a"
              Expect.equal (apply (ImageNetwork(plan, "b"))).Width 3 "b"
          }
          test "inference: dropout does nothing" {
              Expect.equal (apply (network "input ?x?x3\ndropout 0.5")).Values (picture 3).Values "all are there"
          }
          test "what is no image is refused" {
              refuses "input 12" null "takes 12"
              refuses "input 20x1" null "takes 20x1"
              refuses "input ?x?x4" null "takes 20x30x4"
              refuses "input a 4x4x1\ninput b 4x4x1\nadd a b" null "has 2 inputs"
              refuses "input ?x?x1\nflatten\ndense 10" null "is 10, which is no image"
              refuses "input ?x?x1 as x\noutput a\nmaxpool 2\noutput b" null "--output takes a or b"
              refuses "input ?x?x1" "c" "has no output 'c'"
          }
          test "another size is refused, or scaled" {
              let fixedSize = network "input 10x15x1"

              Expect.stringContains
                  (refusal (fun () -> fixedSize.Fit(picture 3, "picture.png", false)))
                  "picture.png is 20x30 (height x width), but the network 'N' takes 10x15x1"
                  "refused"

              let scaled = fixedSize.Fit(picture 3, "picture.png", true)
              Expect.equal (scaled.Channels, scaled.Height, scaled.Width) (1, 10, 15) "scaled"
          }
          test "an image for which there is not the memory is refused before it is tried" {
              // 20·30 numbers of 64 channels, and a quarter of them, of four bytes each.
              let needed = 20L * 30L * 64L * 5L
              let large = network "input ?x?x1\nconv 64 1\nmaxpool 2"
              large.CheckMemory needed

              Expect.stringContains
                  (refusal (fun () -> large.CheckMemory(needed - 1L)))
                  "too large for the network 'N'"
                  "refused"
          }
          test "an output that is not finite is refused" {
              let infinite =
                  network "input ?x?x1\nconv 1 1 kernel-init=constant(3e38) bias-init=constant(3e38)"

              Expect.stringContains (refusal (fun () -> apply infinite)) "is not finite" "refused"
          } ]
