module CnnCluster.Tests.Dsl.NetworkModuleTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Kernels.Collectives

let private scoped act =
    use _ = torch.NewDisposeScope()
    act ()

// ---- batch normalisation over ranks ----

let private normalised =
    planOf "input 4x4x2\nconv 3 3x3 pad=same\nbatchnorm relu\nconv 2 2x2\nbatchnorm\nflatten\ndense 2"

type private Pass =
    { Output: float[]
      Input: float[]
      Gradients: float[] list
      Next: float[] list }

/// Forward and backward of one slice of the batch.
let private pass (collective: ICollective) (batch: torch.Tensor) first count =
    use _ = torch.NewDisposeScope()
    let network, tensors = networkOf normalised 3UL
    let total = batch.size 0

    network.Step <- StepContext(7UL, collective, Training = true, GlobalBatch = total, FirstSample = int64 first)

    let x = batch.narrow(0L, int64 first, int64 count).clone().detach()
    x.requires_grad <- true
    let y = network.forward x
    let weights = scores (torch.zeros (total, y.size 1, dtype = torch.float64))
    (y * weights.narrow (0L, int64 first, int64 count)).sum().backward()
    network.Step.ThrowIfFailed()

    { Output = values y
      Input = if isNull (box x.grad) then [||] else values x.grad
      Gradients = [ for g in tensors.Gradients -> values g ]
      Next = [ for b in tensors.NextBuffers -> values b ] }

let private addUp (several: float[][]) =
    several |> Array.reduce (Array.map2 (+))

let private equalsOneRank (counts: int[]) =
    scoped (fun () ->
        let batch = samples normalised (Array.sum counts)
        let whole = pass (new Collectives.SoloCollective()) batch 0 (Array.sum counts)
        let firsts = Array.scan (+) 0 counts

        let parts =
            Ranks.disposing (Ranks.inProcess counts.Length Ranks.bound) (fun collectives ->
                Ranks.onThreads (Array.indexed collectives) (fun (rank, collective) ->
                    pass collective batch firsts[rank] counts[rank])
                |> Ranks.all)

        let close name expected actual =
            Expect.isLessThan (distance expected actual) 1e-10 name

        close "output" whole.Output (parts |> Array.collect _.Output)
        close "the input's gradient" whole.Input (parts |> Array.collect _.Input)

        for i, weight in Seq.indexed normalised.Weights do
            close weight.Name whole.Gradients[i] (addUp (parts |> Array.map (fun p -> p.Gradients[i])))

        for i, buffer in Seq.indexed normalised.Buffers do
            for part in parts do
                close buffer.Name whole.Next[i] part.Next[i])

[<Tests>]
let tests =
    testList
        "Dsl.NetworkModule"
        [ test "weights are registered by their paths, in order" {
              scoped (fun () ->
                  use network = NetworkModule.Create(plan lenet, 1UL, torch.float32, torch.CPU)

                  Expect.sequenceEqual
                      [ for struct (name, _) in network.named_parameters () -> name ]
                      [ for layer in [ "conv1"; "conv2"; "dense1"; "dense2"; "dense3" ] do
                            for part in [ "kernel"; "bias" ] -> $"{layer}/{part}" ]
                      "names")
          }
          test "LeNet-5 has 61,706 parameters" {
              scoped (fun () ->
                  use network = NetworkModule.Create(plan lenet, 1UL, torch.float32, torch.CPU)
                  Expect.equal (network.parameters () |> Seq.sumBy _.numel()) 61706L "elements"
                  Expect.equal (plan lenet).Parameters 61706L "the plan's count")
          }
          test "forward is layer after layer" {
              scoped (fun () ->
                  let body =
                      "input 6x6x2\nconv 3 3x3 pad=same relu\nmaxpool 2x2\nflatten\ndense 4 tanh\ndense 2"

                  let network, tensors = networkOf (planOf body) 5UL
                  let x = samples network.Plan 3
                  let w i = tensors.Weights[i]
                  let conv = torch.nn.functional.conv2d(x, w 0, w 1, padding = [| 1L; 1L |]).relu()
                  let pooled = torch.nn.functional.max_pool2d (conv, [| 2L; 2L |])
                  let hidden = torch.nn.functional.linear(pooled.reshape (3L, -1L), w 2, w 3).tanh()
                  let expected = torch.nn.functional.linear (hidden, w 4, w 5)
                  Expect.isLessThan (distance (values expected) (values (network.forward x))) 1e-12 "output")
          }
          test "a network without layers gives its input back" {
              scoped (fun () ->
                  let network, _ = networkOf (planOf "input 3") 1UL
                  let x = samples network.Plan 2
                  Expect.sequenceEqual (values (network.forward x)) (values x) "output")
          }
          test "a network that made its tensors leaves none behind" {
              let body = "input 8x8x1\nconv 2 3\nconv 2 3 frozen\nbatchnorm\nflatten\ndense 3"
              let plan = planOf body
              NetworkModule.Create(plan, 1UL, torch.float32, torch.CPU).Dispose()

              let living () =
                  DisposeScopeManager.Statistics.ThreadTotalLiveCount

              let before = living ()
              let network = NetworkModule.Create(plan, 1UL, torch.float32, torch.CPU)
              Expect.isGreaterThan (living ()) before "while it lives"
              network.Dispose()
              Expect.equal (living ()) before "after it"
          }
          test "a network leaves the tensors that it was given to who gave them" {
              scoped (fun () ->
                  let network, tensors = networkOf (planOf "input 3\ndense 2\nbatchnorm") 1UL
                  network.Dispose()

                  for tensor in Seq.concat [ tensors.Weights; tensors.Gradients; tensors.Buffers; tensors.NextBuffers ] do
                      Expect.isFalse tensor.IsInvalid "still there")
          }
          test "gradients land in the tensors that were given, and add up there" {
              scoped (fun () ->
                  let network, tensors = networkOf (planOf "input 3\ndense 2") 1UL
                  let x = samples network.Plan 4
                  network.forward(x).sum().backward()
                  let once = [ for g in tensors.Gradients -> values g ]
                  Expect.isLessThan (distance [| 4.0; 4.0 |] once[1]) 1e-12 "the bias' gradient counts the samples"
                  network.forward(x).sum().backward()
                  let twice = [ for g in tensors.Gradients -> values g ]
                  Expect.equal twice (once |> List.map (Array.map (fun v -> 2.0 * v))) "after another backward pass")
          }
          test "what changes a given tensor changes the network" {
              scoped (fun () ->
                  let network, tensors = networkOf (planOf "input 3\ndense 2") 1UL
                  tensors.Weights[0].zero_() |> ignore
                  Expect.sequenceEqual (values (network.forward (samples network.Plan 1))) [ 0.0; 0.0 ] "output")
          }
          for counts in [ [| 3; 3 |]; [| 5; 1 |]; [| 6; 0 |]; [| 0; 4; 1 |]; [| 2; 2; 3 |] ] do
              let slices = String.Join('+', counts)

              test $"batch normalisation over slices of {slices} is that of one rank on the whole batch" {
                  equalsOneRank counts
              } ]
