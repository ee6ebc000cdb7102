/// Workers that are lost, stopped, or come while a run of several processes trains.
module CnnCluster.Tests.Cli.ElasticTests

open System
open System.IO
open System.Net
open System.Net.Sockets
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Comparisons

/// Why nothing listens at this address here; nothing where something can.
let private whyNot (address: string) =
    try
        use listener = new TcpListener(IPAddress.Parse address, 0)
        listener.Start()
        None
    with :? SocketException as e ->
        Some e.Message

/// A worker's part of a batch beside the others'; an event says it where it is not 1.
let private shareOf (worker: JsonNode) =
    match worker["share"] with
    | null -> 1
    | share -> int share

/// A node comes to a run that listens at an address, with twice the run's own worker's part of a batch.
let private joins address =
    running endless [ "--listen"; $"{address}:0" ] (fun run ->
        let join = string (run.Next("listen")["join"])
        let pid = workers (run.Next "start") |> List.exactlyOne
        run.Next "epoch" |> ignore

        use node =
            Cnn.startThrough [ "env"; "OMP_NUM_THREADS=3" ] [ "node"; "--join"; join; "--share"; "2" ] run.Folder

        try
            let regroup = run.Next "regroup"
            Expect.equal (regrouped regroup) (2, 2, 0) "the second generation, of two workers"
            Expect.equal (workers regroup) [ pid; node.Id ] "the newcomer is the last"
            let members = regroup["workers"].AsArray()

            Expect.equal
                [ for worker in members -> int worker["threads"] ]
                [ 1; 1 ]
                "with as many threads as the run has"

            Expect.equal [ for worker in members -> shareOf worker ] [ 1; 2 ] "with the shares that they asked for"
            Expect.stringContains (string regroup["reason"]) "joined" "why"
            run.Next "epoch" |> ignore
            let code, errors = run.Interrupt()
            Expect.equal code 130 errors
            Expect.isTrue (node.WaitForExit patience) "the node ends with the run"
            Expect.equal node.ExitCode 0 "and well"
        finally
            if not node.HasExited then node.Kill true)

/// Those in sequence have the machine to themselves: a regroup's seconds are the clock's.
[<Tests>]
let tests =
    testList
        "Cli.elastic"
        [ testSequenced (
              test
                  "checkpoints that cannot be written cost no worker, one that is killed is done without, and without the last the run fails and names what it has kept" {
                  running endless [ "--processes"; "2" ] (fun run ->
                      let pids = workers (run.Next "start")
                      run.Next "epoch" |> ignore
                      let folder = Path.Combine(run.Folder, "run", "checkpoints")
                      Directory.Move(folder, folder + " aside")
                      File.WriteAllText(folder, "a file is no place for files")
                      let lost = run.Next "unwritten"
                      Expect.stringContains (string lost["state"]) "step-" "which"
                      Expect.stringContains (string lost["reason"]) folder "where"
                      run.Next "epoch" |> ignore
                      File.Delete folder
                      Directory.Move(folder + " aside", folder)
                      run.Next "epoch" |> ignore
                      Expect.equal run.Members pids "nobody was given up"

                      signal "KILL" pids[1]
                      let regroup = run.Next "regroup"
                      Expect.equal (regrouped regroup) (2, 1, 0) "the second generation, of one worker"
                      Expect.equal (workers regroup) [ pids[0] ] "the other one"
                      let reason = string regroup["reason"]
                      Expect.stringContains reason $"{pids[1]}" "which process"
                      Expect.stringContains reason "killed by signal 9" "what happened to it"
                      Expect.isLessThan (float regroup["seconds"]) 2.0 "from the first word of it"

                      // A checkpoint is written while training goes on: where there are two later ones, the run has heard of the first.
                      let step (name: string) = int (name.Substring(name.Length - 8))

                      let steps () =
                          checkpoints run.Folder |> Array.map (Path.GetFileNameWithoutExtension >> step)

                      let latest () = Array.max (steps ())

                      let before = max (latest ()) (step (string lost["state"]))

                      let later () =
                          steps () |> Array.filter (fun step -> step > before)

                      run.Next("epoch", (fun _ -> (later ()).Length > 1)) |> ignore
                      signal "KILL" pids[0]
                      let stop = run.Next "stop"
                      Expect.equal (string stop["reason"]) "failed" "the last event says so"
                      let code, errors = run.End()
                      Expect.equal code 1 errors
                      Expect.stringContains errors $"{pids[0]}" "the message names the process"
                      Expect.stringContains errors "killed by signal 9" "and what happened to it"
                      Expect.stringContains errors "No worker is left" "and why it ends"
                      let named = Regex.Match(errors, "the last state is (.*?);").Groups[1].Value
                      Expect.isTrue (File.Exists named) $"what it goes on from: {errors}"
                      Expect.isGreaterThan (latest ()) before "a checkpoint from after the loss is still there")
              }
          )
          test
              "a node joins while the run trains, over IPv6 where there is such, and takes part from the next step with its share" {
              match whyNot "::1" with
              | Some reason ->
                  printfn $"nothing listens at ::1 here, and so no node joins there: {reason}"
                  joins "127.0.0.1"
              | None -> joins "[::1]"
          }
          test "an interrupted run goes on to the weights of one that was left alone" {
              let script = Cnn.lenet (settings 6)

              let hash (run: Run) =
                  string (run.Next("end")["weights_sha256"])

              let undisturbed =
                  running script [] (fun run ->
                      let hash = hash run
                      Expect.equal (fst (run.End())) 0 "ends well"
                      hash)

              running script [] (fun run ->
                  run.Next("epoch", (fun e -> int e["epoch"] = 2)) |> ignore
                  let code, errors = run.Interrupt()
                  Expect.equal code 130 errors
                  Expect.stringContains errors $"""--resume {Path.Combine(run.Folder, "run")}""" "how it goes on"

                  let again =
                      Cnn.run run.Folder [ "train"; "--resume"; "run"; "--json"; "--threads"; "1" ]

                  Expect.equal again.ExitCode 0 again.Error
                  Expect.equal (string (again.Field("end", "weights_sha256"))) undisturbed "the same bits"
                  Expect.isGreaterThan (int (again.Field("resume", "step"))) 39 "from behind two epochs of 20 steps"

                  let kept =
                      File.ReadAllLines(Path.Combine(run.Folder, "run", "metrics.jsonl"))
                      |> Array.map JsonNode.Parse
                      |> Array.filter (fun e -> string e["event"] = "epoch")
                      |> Array.map (fun e -> int e["epoch"])

                  Expect.equal kept [| 1..6 |] "one record of all epochs"
                  let over = Cnn.run run.Folder [ "train"; "--resume"; "run" ]
                  Expect.equal over.ExitCode 2 over.Error
                  Expect.stringContains over.Error "has done its 6 epochs" "nothing is left"

                  let more =
                      Cnn.run run.Folder [ "train"; "--resume"; "run"; "--epochs"; "7"; "--json" ]

                  Expect.equal (int (more.Field("epoch", "epoch"))) 7 more.Error)
          }
          test "--resume says what cannot be changed, and what is no run" {
              Cnn.inFolder (fun folder ->
                  let changed =
                      Cnn.run folder [ "train"; "--resume"; "x"; "--set"; "batch=1"; "--out"; "y" ]

                  Expect.equal changed.ExitCode 2 changed.Error
                  Expect.stringContains changed.Error "--set, --out cannot be changed" "which"
                  let none = Cnn.run folder [ "train"; "--resume"; "x" ]
                  Expect.equal none.ExitCode 2 none.Error
                  Expect.stringContains none.Error "x is not the folder of a run" "what it is not")
          }
          test "--listen beyond this machine, and --min-workers without it, are refused" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" endless
                  let far = Cnn.run folder [ "train"; file; "--listen"; "192.0.2.77:0" ]
                  Expect.equal far.ExitCode 2 far.Error
                  Expect.stringContains far.Error "certificates" "why"
                  let few = Cnn.run folder [ "train"; file; "--min-workers"; "3" ]
                  Expect.equal few.ExitCode 2 few.Error
                  Expect.stringContains few.Error "needs --listen" "why")
          } ]

[<Tests>]
let longTests =
    testList
        "Cli.elastic (long)"
        [ testSequenced (
              test "a node whose process is killed is done without" {
                  running endless [ "--processes"; "2"; "--listen"; "127.0.0.1:0" ] (fun run ->
                      let join = string (run.Next("listen")["join"])
                      let pids = workers (run.Next "start")
                      use node = Cnn.start [ "node"; "--join"; join ] run.Folder

                      try
                          run.Until("the node", List.contains node.Id)
                          run.Next "epoch" |> ignore
                          signal "KILL" node.Id
                          let regroup = run.Next("regroup", (fun _ -> run.Members.Length = 2))
                          Expect.equal (workers regroup) pids "the others"
                          Expect.isLessThan (float regroup["seconds"]) 2.0 "from the first word of it"
                          run.Next "epoch" |> ignore
                          Expect.equal (fst (run.Interrupt())) 130 "ends well"
                      finally
                          if not node.HasExited then node.Kill true)
              }
          )
          test
              "a node that is killed while all validate is missed by its host's word, though nobody uses its connections" {
              let validating = endless.Replace("train=640 test=64", "train=64 test=20000")

              running validating [ "--processes"; "1"; "--listen"; "127.0.0.1:0" ] (fun run ->
                  let join = string (run.Next("listen")["join"])
                  run.Next "start" |> ignore

                  use node =
                      Cnn.startThrough [ "env"; "CNN_LOG=debug" ] [ "node"; "--join"; join ] run.Folder

                  try
                      Run(node, run.Folder).Told("worker: Validate", patience)
                      signal "KILL" node.Id
                      let regroup = run.Next("regroup", (fun event -> (workers event).Length = 1))
                      Expect.stringContains (string regroup["reason"]) "has lost its connections" "not its silence"
                  finally
                      if not node.HasExited then node.Kill true)
          }
          test
              "with fewer workers than --min-workers the run waits, before it begins and behind a loss, until others have come" {
              running endless [ "--processes"; "1"; "--min-workers"; "2"; "--listen"; "127.0.0.1:0" ] (fun run ->
                  let join = string (run.Next("listen")["join"])

                  let waits () =
                      let wait = run.Next "wait"
                      Expect.equal (int wait["world"], int wait["min_workers"]) (1, 2) "one of two"

                  let start () =
                      Cnn.start [ "node"; "--join"; join ] run.Folder

                  waits ()
                  use first = start ()

                  try
                      let pids = workers (run.Next "start")
                      Expect.equal pids[1] first.Id "the node begins with it"
                      run.Next "epoch" |> ignore
                      first.Kill true
                      waits ()
                      use second = start ()

                      try
                          let regroup = run.Next "regroup"

                          Expect.equal
                              (workers regroup)
                              [ pids[0]; second.Id ]
                              "the one that is left, and the newcomer"

                          Expect.equal (int regroup["lost_steps"]) 0 "nothing is lost"
                          run.Next "epoch" |> ignore
                          Expect.equal (fst (run.Interrupt())) 130 "ends well"
                      finally
                          if not second.HasExited then second.Kill true
                  finally
                      if not first.HasExited then first.Kill true)
          } ]
