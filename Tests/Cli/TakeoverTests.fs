/// Runs whose home is lost, and that go on elsewhere or keep what they have.
module CnnCluster.Tests.Cli.TakeoverTests

open System.IO
open System.Text.Json.Nodes
open System.Threading
open Expecto
open CnnCluster.Tests.Cli.Runs

let private script =
    endless.Replace("    loss cross-entropy", "    exact shards=6\n    loss cross-entropy")

/// A node that keeps what it leads in a folder of its own, and logs at this level.
type private Node(join: string, folder: string, name: string, ?level: string) =
    let level = defaultArg level "info"

    let cnn =
        Cnn.startInterruptible [ "node"; "--join"; join; "--json"; "--out"; name; "--log-level"; level ] folder

    let run = Run(cnn, folder)

    member _.Name = name
    member _.Process = cnn
    member _.Run = run
    member _.Folder = Path.Combine(folder, name)
    member node.JoinFile = Path.Combine(node.Folder, "join")

    /// How often it has come to lead the run.
    member node.TimesLed =
        let metrics = Path.Combine(node.Folder, "metrics.jsonl")

        if File.Exists metrics then
            File.ReadLines metrics
            |> Seq.filter (fun line -> line.Contains "\"event\":\"listen\"")
            |> Seq.length
        else
            0

    /// As its operating system does to it.
    member _.Signal name = signal name cnn.Id

    interface System.IDisposable with
        member _.Dispose() =
            if not cnn.HasExited then cnn.Kill true

            cnn.Dispose()

/// A run of one worker at home and of nodes that log at this level, from the first epoch that all of them take part in.
let private withNodesAt level options count act =
    running script ([ "--listen"; "127.0.0.1:0" ] @ options) (fun run ->
        let join = string (run.Next("listen")["join"])
        run.Next "epoch" |> ignore

        let nodes =
            [ for i in 1..count do
                  let node = new Node(join, run.Folder, $"node-{i}", level)
                  run.Until($"node {i}", List.contains node.Process.Id)
                  node ]

        try
            run.Next "epoch" |> ignore
            act run nodes
        finally
            for node in nodes do
                (node :> System.IDisposable).Dispose())

let private withNodes count act = withNodesAt "info" [] count act

/// The node that leads: whichever stands first is chosen.
let private leader (nodes: Node list) =
    let leads (node: Node) = File.Exists node.JoinFile

    if not (SpinWait.SpinUntil((fun () -> List.exists leads nodes), patience)) then
        failtest "no node leads the run"

    List.find leads nodes

/// The first thing that the node which leads has to tell.
let private regrouped (leading: Node) =
    let regroup = leading.Run.Next "regroup"
    Expect.equal (int regroup["world"], int regroup["lost_steps"]) (2, 0) "two are left, and nothing is lost"
    Expect.stringContains (string regroup["reason"]) "leads the run now" "why"

[<Tests>]
let tests =
    testList
        "Cli.takeover (long)"
        [ test "where the home is killed, the others go on under another coordinator, and lose no step" {
              withNodes 2 (fun home nodes ->
                  home.Signal "KILL"
                  let leading = leader nodes
                  regrouped leading
                  leading.Run.Next "epoch" |> ignore
                  let code, errors = leading.Run.Interrupt()
                  Expect.equal code 130 errors
                  Expect.stringContains errors $"--resume {leading.Folder}" "how it goes on"

                  for node in nodes do
                      Expect.isTrue (node.Process.WaitForExit patience) $"{node.Name} ends with the run")
          }
          test
              "a run whose home was killed is one like any other: others join it, and it is resumed, with the same bits" {
              withNodes 2 (fun home nodes ->
                  home.Signal "KILL"
                  let leading = leader nodes
                  regrouped leading

                  use third = new Node(leading.JoinFile, home.Folder, "node-3")
                  leading.Run.Until("the third", List.contains third.Process.Id)
                  let epoch = int (leading.Run.Next("epoch")["epoch"])
                  let code, errors = leading.Run.Interrupt()
                  Expect.equal code 130 errors
                  Expect.stringContains errors $"--resume {leading.Folder}" "how it goes on"

                  for node in third :: nodes do
                      Expect.isTrue (node.Process.WaitForExit patience) $"{node.Name} ends with the run"

                  let until = [ "--epochs"; string (epoch + 2); "--json"; "--threads"; "1" ]

                  let resumed = Cnn.run home.Folder ([ "train"; "--resume"; leading.Name ] @ until)

                  let alone = Cnn.run home.Folder ([ "train"; "net.cnn"; "--out"; "alone" ] @ until)

                  Expect.equal resumed.ExitCode 0 resumed.Error

                  Expect.equal
                      (string (resumed.Field("end", "weights_sha256")))
                      (string (alone.Field("end", "weights_sha256")))
                      "as in a run that was left alone")
          }
          test "a home that was stopped comes back to find that others have gone on, and ends" {
              withNodes 2 (fun home nodes ->
                  home.Signal "STOP"
                  let leading = leader nodes
                  leading.Run.Next "epoch" |> ignore
                  home.Signal "CONT"
                  let code, errors = home.End()
                  Expect.equal code 1 errors
                  Expect.stringContains errors "the others may go on elsewhere" "why"
                  leading.Run.Next "epoch" |> ignore
                  Expect.equal (fst (leading.Run.Interrupt())) 130 "the run goes on until it is stopped")
          }
          test "a node that led, and whom the others have left, leads again in the same process when it is chosen again" {
              withNodes 3 (fun home nodes ->
                  let wait what so =
                      if not (SpinWait.SpinUntil((fun () -> so ()), patience)) then
                          failtest $"not within {patience}: {what}"

                  home.Signal "KILL"
                  let first = leader nodes
                  first.Run.Next "epoch" |> ignore

                  // While it stands still the other two are the majority: it finds itself outvoted, and comes over to them.
                  first.Signal "STOP"
                  let others = List.except [ first ] nodes
                  let second = leader others
                  first.Signal "CONT"
                  second.Run.Until("the first as a newcomer", List.contains first.Process.Id)

                  // Those that come behind it stand behind it, where the one that leads is lost. Whichever is the first on a busy
                  // machine is replaced, until it is this one.
                  let rec untilItLeads (leading: Node) attempt =
                      use further = new Node(leading.JoinFile, home.Folder, $"further-{attempt}")
                      leading.Run.Until("one that stands behind it", List.contains further.Process.Id)
                      leading.Run.Next "epoch" |> ignore

                      for earlier in List.except [ first; leading ] nodes do
                          if not earlier.Process.HasExited then
                              earlier.Signal "KILL"
                              leading.Run.Until("without it", List.contains earlier.Process.Id >> not)
                              leading.Run.Next "epoch" |> ignore

                      leading.Signal "KILL"
                      wait "another coordinator" (fun () -> first.TimesLed = 2 || further.TimesLed = 1)

                      if first.TimesLed = 2 then
                          first.Run.Until(
                              "the two that are left",
                              fun members -> List.sort members = List.sort [ first.Process.Id; further.Process.Id ]
                          )

                          first.Run.Next "epoch" |> ignore
                          Expect.equal (fst (first.Run.Interrupt())) 130 "it leads until it is stopped"
                          Expect.isTrue (further.Process.WaitForExit patience) "and the other ends with it"
                      elif attempt < 4 then
                          untilItLeads further (attempt + 1)
                      else
                          failtest "it was never chosen again"

                  untilItLeads second 1)
          }
          test
              "a node that stood still until the cluster gave it up comes back in the same process, around the same workers" {
              withNodesAt "info" [ "--log-level"; "debug" ] 2 (fun home nodes ->
                  let node = nodes[1]
                  let id = node.Process.Id
                  node.Signal "STOP"
                  home.Until("the others alone", List.contains id >> not)
                  home.Told("as [Down]", patience)
                  node.Signal "CONT"
                  node.Run.Told("the cluster had given this node up; it joins anew", patience)
                  home.Until("the node as a newcomer", List.contains id)
                  node.Run.Told("worker: FormGeneration", patience)
                  let code, told = home.Interrupt()
                  Expect.equal code 130 told
                  let further = ref 0

                  let isOver (event: JsonNode) =
                      if string event["event"] = "regroup" then
                          further.Value <- further.Value + 1

                      string event["event"] = "stop"

                  home.First("the end", patience, isOver) |> ignore
                  Expect.equal further.Value 0 "by its old control plane, of which it speaks before, it has no part"
                  let code, errors = node.Run.End()
                  Expect.equal code 0 $"it ends with the run, and well: {errors}; the run has told: {told}")
          }
          test "a node that is no majority keeps the state, and ends" {
              withNodes 1 (fun home nodes ->
                  let node = List.exactlyOne nodes
                  home.Signal "KILL"
                  let code, errors = node.Run.End()
                  Expect.equal code 1 errors
                  Expect.stringContains errors "no majority" "why"
                  Expect.stringContains errors $"--resume {node.Folder}" "where it is kept"

                  let over = Cnn.run home.Folder [ "train"; "--resume"; node.Name; "--epochs"; "1" ]

                  Expect.stringContains over.Error "has done its 1 epochs" "a whole run's folder")
          }
          test
              "a node that led, and that the cluster gave up, keeps the state in the folder that it has, where no majority is left" {
              withNodesAt "debug" [] 3 (fun home nodes ->
                  home.Signal "KILL"
                  let first = leader nodes
                  let address = string (first.Run.Next("listen")["address"])
                  first.Run.Next "epoch" |> ignore
                  let id = first.Process.Id
                  first.Signal "STOP"
                  let others = List.except [ first ] nodes
                  let second = leader others
                  let third = List.exactlyOne (List.except [ second ] others)
                  second.Run.Told($"{address}] as [Down]", patience)
                  first.Signal "CONT"
                  first.Run.Told("the cluster had given this node up; it joins anew", patience)
                  first.Run.Told("worker: TrainEpoch", patience)
                  second.Run.Until("the first as a newcomer", List.contains id)
                  third.Signal "KILL"
                  second.Run.Until("without the third", List.contains third.Process.Id >> not)
                  second.Run.Next "epoch" |> ignore
                  second.Signal "KILL"
                  let code, errors = first.Run.End()
                  Expect.equal code 1 errors
                  Expect.stringContains errors "no majority" "why"
                  Expect.isFalse (errors.Contains "could not be kept") errors
                  Expect.stringContains errors $"--resume {first.Folder}" "where it is kept")
          } ]
