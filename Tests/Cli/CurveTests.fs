/// Outside exact mode a loss changes rounding alone: on a smooth network the curve stays that of a run that was left alone.
module CnnCluster.Tests.Cli.CurveTests

open System.Collections.Generic
open Expecto
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Comparisons

let private epochs = 10

/// The training losses of a run's epochs, of twenty steps each, as they are told of.
type private Curve(run: Run) =
    let losses = Dictionary<int, float>()

    /// Follows the run until something is so.
    member _.Until(what, so: unit -> bool) =
        if not (so ()) then
            run.First(
                what,
                patience,
                fun event ->
                    if string event["event"] = "epoch" then
                        losses[int event["epoch"]] <- float event["train_loss"]

                    so ()
            )
            |> ignore

    member _.Epochs = losses.Count

    member curve.Whole() =
        curve.Until("the last epoch", (fun () -> losses.Count = epochs))
        [ for epoch in 1..epochs -> losses[epoch] ]

/// Three workers of the run's own. One is killed, the two that are left train an epoch; then the second is, and the run waits for
/// the node that has been started meanwhile, if it is not there yet.
let private disturb (run: Run) =
    let join = string (run.Next("listen")["join"])
    let pids = run.Next "start" |> workers
    let curve = Curve run
    use node = Cnn.start [ "node"; "--join"; join ] run.Folder

    let kill victim =
        signal "KILL" victim
        curve.Until("a loss", (fun () -> not (List.contains victim run.Members)))

    let train () =
        let before = curve.Epochs
        curve.Until("an epoch", (fun () -> curve.Epochs > before))

    try
        train ()
        kill pids[2]
        train ()
        kill pids[1]
        curve.Until("the newcomer", (fun () -> List.contains node.Id run.Members))
        Expect.equal run.Members [ pids[0]; node.Id ] "two were lost, and another has come"
        Expect.isLessThan curve.Epochs epochs "while there was something to train"
        curve.Whole()
    finally
        if not node.HasExited then node.Kill true

[<Tests>]
let tests =
    testList
        "Cli.curve (long)"
        [ for name, change in
              [ // 1.9 MB: its gradients lie where the workers of a host read each other's.
                "a wide LeNet-5", (fun (script: string) -> script.Replace("dense   120", "dense   1000")) ] do
              test
                  $"{name}: of 200 steps, in which two workers are lost and another comes, it is the undisturbed one to 1e-4" {
                  let script = change (Cnn.smoothLenet (settings epochs))

                  let undisturbed =
                      running script [ "--processes"; "3" ] (fun run -> (Curve run).Whole())

                  let listening =
                      [ "--processes"; "3"; "--min-workers"; "2"; "--listen"; "127.0.0.1:0" ]

                  let disturbed = running script listening disturb

                  for epoch, (alone, lost) in List.indexed (List.zip undisturbed disturbed) do
                      Expect.isLessThan (abs (alone - lost) / alone) 1e-4 $"epoch {epoch + 1}: {alone} and {lost}"
              } ]
