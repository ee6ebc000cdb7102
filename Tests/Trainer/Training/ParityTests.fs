/// N workers with a global batch B compute what one worker computes with B: real runs of the program.
module CnnCluster.Tests.Trainer.Training.ParityTests

open System.IO
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Training
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

let private settings =
    "    data digits train=6400 test=64\n    optimizer sgd lr=0.01 momentum=0.9\n    batch 32\n    epochs 1\n    seed 5"

let private float64 = settings + "\n    precision float64"

let private worlds = [ [ "--workers"; "3" ]; [ "--processes"; "2" ] ]

/// Runs 200 steps, and hands on the run's folder and the folder of its steps.
let private running script arguments act =
    Cnn.inFolder (fun folder ->
        let file = Cnn.write folder "net.cnn" script
        let steps = Path.Combine(folder, "steps")
        Directory.CreateDirectory steps |> ignore

        let result =
            Cnn.run folder ([ "train"; file; "--json"; "--threads"; "1"; "--out"; "run" ] @ arguments)

        Expect.equal result.ExitCode 0 result.Error
        Expect.equal (int (result.Field("epoch", "step"))) 200 "200 steps"
        act (Path.Combine(folder, "run")) steps)

let private values (file: SafetensorsFile) (prefix: string) =
    file.Entries
    |> Seq.filter (fun e -> e.Name.StartsWith prefix)
    |> Seq.collect (fun e ->
        match e.Type with
        | ElementType.Float64 -> file.ReadFloat64 e.Name
        | _ -> file.ReadFloat32 e.Name |> Array.map float)
    |> Seq.toArray

/// The weights a run of 200 steps ends with.
let private finalWeights script arguments =
    running script arguments (fun run _ ->
        let file =
            SafetensorsFile.Open(Path.Combine(run, "checkpoints", "final.safetensors"))

        Seq.append (values file "conv") (values file "dense") |> Seq.toArray)

let private drift script =
    let alone = finalWeights script [ "--workers"; "1" ]
    fun arguments -> Replicas.distance alone (finalWeights script arguments)

/// From each recorded state, one worker's gradient of the same global batch, against what was reduced.
let private gradientErrors script steps =
    let plan = Replicas.plan script
    use replica = new Replica(plan, torch.CPU, new SoloCollective())
    let mutable gradient = [||]
    replica.Reduced <- fun r -> gradient <- Replicas.flat r.Arena.Gradients

    let batches =
        (Replicas.loader plan (TrainingCatalogues.Load(plan, null)) replica.Collective).TrainEpoch(1, 0)

    [ for step, batch in Seq.indexed batches do
          let path = Path.Combine(steps, $"step-{step:D6}.safetensors")
          let recorded = SafetensorsFile.Open path
          ReplicaState.LoadWeights(replica, path)
          replica.Step <- int64 step
          replica.Take([| batch |], 0.0, false) |> ignore
          Replicas.distance gradient (values recorded "gradients/") ]

[<Tests>]
let tests =
    testList
        "Trainer.Parity (long)"
        [ for world in worlds do
              let name = String.concat " " world

              test $"LeNet-5, float32, {name}: the reduced gradient at each of 200 states is one worker's to 1e-6" {
                  let script = Cnn.lenet settings

                  Cnn.inFolder (fun steps ->
                      running script (world @ [ "--record-steps"; steps ]) (fun _ _ ->
                          let errors = gradientErrors script steps
                          Expect.hasLength errors 200 "states"
                          let worst = greatest errors
                          printfn $"parity, {name}: worst of 200 gradients {worst:E1}"
                          Expect.isLessThan worst 1e-6 "norm-relative"))
              }

          test "a smooth LeNet stays within 1e-5 over 200 steps of float32" {
              let drift = drift (Cnn.smoothLenet settings)

              for world in worlds do
                  let distance = drift world
                  printfn $"parity, smooth LeNet, {world}: {distance:E1} after 200 steps"
                  Expect.isLessThan distance 1e-5 $"{world}"
          }
          test "LeNet-5 stays within 1e-12 over 200 steps of float64" {
              let drift = drift (Cnn.lenet float64)

              for world in worlds do
                  let distance = drift world
                  printfn $"parity, float64, {world}: {distance:E1} after 200 steps"
                  Expect.isLessThan distance 1e-12 $"{world}"
          } ]
