/// Outside exact mode a loss changes rounding alone: on a smooth network the curve stays that of a run that was left alone.
module CnnCluster.Tests.Cli.CurveTests

open Expecto
open CnnCluster.Tests.Cli.Runs

/// The training losses of ten epochs of twenty steps.
let private curve (run: Run) meanwhile =
    [ for epoch in 1..10 do
          let event = run.Next("epoch", (fun e -> int e["epoch"] = epoch))
          meanwhile epoch
          float event["train_loss"] ]

[<Tests>]
let tests =
    testList
        "Cli.curve (long)"
        [ for name, change in
              [ "LeNet-5", id
                // 1.9 MB: its gradients lie where the workers of a host read each other's.
                "a wider one", (fun (script: string) -> script.Replace("dense   120", "dense   1000")) ] do
              test
                  $"{name}: of 200 steps, in which a worker is lost and another comes, it is the undisturbed one to 1e-4" {
                  let script = change (Cnn.smoothLenet (settings 10))

                  let undisturbed =
                      running script [ "--processes"; "3" ] (fun run -> curve run ignore)

                  let disturbed, worlds =
                      running script [ "--processes"; "3"; "--listen"; "127.0.0.1:0" ] (fun run ->
                          let join = string (run.Next("listen")["join"])
                          let victim = run.Next "start" |> workers |> List.last
                          let worlds = ResizeArray [ 3 ]

                          // It takes part from wherever the run is when it comes.
                          use node = Cnn.start [ "node"; "--join"; join ] run.Folder

                          try
                              let losses =
                                  curve run (fun epoch ->
                                      if epoch = 2 then
                                          signal "KILL" victim
                                          run.Until("the loss", (fun members -> not (List.contains victim members)))
                                          worlds.Add run.Members.Length)

                              losses, List.ofSeq worlds
                          finally
                              if not node.HasExited then node.Kill true)

                  Expect.isLessThan (List.last worlds) 4 "a worker was lost"

                  for epoch, (alone, lost) in List.indexed (List.zip undisturbed disturbed) do
                      Expect.isLessThan (abs (alone - lost) / alone) 1e-4 $"epoch {epoch + 1}: {alone} and {lost}"
              } ]
