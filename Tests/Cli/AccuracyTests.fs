/// Outside exact mode a loss changes rounding, which a network with kinks multiplies: what a run comes to is still what it comes to.
module CnnCluster.Tests.Cli.AccuracyTests

open Expecto
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Comparisons

/// Short of what LeNet-5 can come to: there the seeds lie apart, by some dozens of the samples.
let private script =
    Cnn.lenet (
        "    data digits train=3200 test=2000\n    optimizer sgd lr=0.05\n    batch 32\n"
        + "    epochs 3\n    early-stop patience=1000000\n    seed 11"
    )

let private accuracy (figures: System.Text.Json.Nodes.JsonNode) = float figures["val_accuracy"]

/// Each seed with the accuracy that a run which is left alone ends with, the least first.
let private undisturbed () =
    Cnn.inFolder (fun folder ->
        let file = Cnn.write folder "net.cnn" script

        let compared =
            Cnn.run folder [ "compare"; file; "--vary"; "none:"; "--seeds"; "5"; "--threads"; "1"; "--json" ]

        Expect.equal compared.ExitCode 0 compared.Error

        [ for event in compared.Events do
              if string event["event"] = "cell" then
                  int event["seed"], accuracy (event["final"]["values"]) ]
        |> List.sortBy snd)

/// What a run of a seed ends with, one of whose two workers is killed, and which a node joins then.
let private disturbed seed =
    let arguments =
        [ "--processes"; "2"; "--min-workers"; "2"; "--listen"; "127.0.0.1:0"; "--set"; $"seed={seed}" ]

    running script arguments (fun run ->
        let join = string (run.Next("listen")["join"])
        let pids = run.Next "start" |> workers
        run.Next "epoch" |> ignore
        signal "KILL" pids[0]
        run.Next "wait" |> ignore
        use node = Cnn.start [ "node"; "--join"; join ] run.Folder

        try
            run.Until("the newcomer", (fun members -> members = [ pids[1]; node.Id ]))
            let ending = run.Next "end"
            let code, errors = run.End()
            Expect.equal code 0 errors
            accuracy ending
        finally
            if not node.HasExited then node.Kill true)

[<Tests>]
let tests =
    testList
        "Cli.accuracy (long)"
        [ // Of five seeds the middle one: its own run's accuracy is as far from both ends as it can be, and a seed that was taken
          // at random would be an end itself twice in five times.
          test
              "LeNet-5 of the middle one of five seeds, a worker of which is lost and replaced, ends between the least and the greatest accuracy of the seeds" {
              let seeds = undisturbed ()
              Expect.hasLength seeds 5 "seeds"
              let accuracies = List.map snd seeds
              let ours = disturbed (fst seeds[2])
              printfn $"accuracy: {accuracies} of seeds that were left alone, {ours} of the middle one with a loss"
              Expect.isGreaterThanOrEqual ours accuracies[0] "the least"
              Expect.isLessThanOrEqual ours accuracies[4] "the greatest"
          } ]
