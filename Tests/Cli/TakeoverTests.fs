/// Runs whose home is lost, and that go on elsewhere or keep what they have.
module CnnCluster.Tests.Cli.TakeoverTests

open System.IO
open System.Threading
open Expecto
open CnnCluster.Tests.Cli.Runs

let private script =
    endless.Replace("    loss cross-entropy", "    exact shards=6\n    loss cross-entropy")

/// A node that keeps what it leads in a folder of its own.
type private Node(join: string, folder: string, name: string) =
    let cnn =
        Cnn.startInterruptible [ "node"; "--join"; join; "--json"; "--out"; name ] folder

    let run = Run(cnn, folder)

    member _.Name = name
    member _.Process = cnn
    member _.Run = run
    member _.Folder = Path.Combine(folder, name)
    member node.JoinFile = Path.Combine(node.Folder, "join")

    interface System.IDisposable with
        member _.Dispose() =
            if not cnn.HasExited then cnn.Kill true

            cnn.Dispose()

/// A run of one worker at home and of nodes, from the first epoch that all of them take part in.
let private withNodes count act =
    running script [ "--listen"; "127.0.0.1:0" ] (fun run ->
        let join = string (run.Next("listen")["join"])
        run.Next "epoch" |> ignore

        let nodes =
            [ for i in 1..count do
                  let node = new Node(join, run.Folder, $"node-{i}")
                  run.Until($"node {i}", List.contains node.Process.Id)
                  node ]

        try
            run.Next "epoch" |> ignore
            act run nodes
        finally
            for node in nodes do
                (node :> System.IDisposable).Dispose())

/// The node that leads: whichever stands first is chosen.
let private leader (nodes: Node list) =
    let leads (node: Node) = File.Exists node.JoinFile

    if not (SpinWait.SpinUntil((fun () -> List.exists leads nodes), patience)) then
        failtest "no node leads the run"

    List.find leads nodes

[<Tests>]
let tests =
    testList
        "Cli.takeover"
        [ test "where the home is killed, two of three workers go on under another coordinator, with the same bits" {
              withNodes 2 (fun home nodes ->
                  home.Signal "KILL"
                  let leading = leader nodes
                  let regroup = leading.Run.Next "regroup"

                  Expect.equal
                      (int regroup["world"], int regroup["lost_steps"])
                      (2, 0)
                      "two are left, and nothing is lost"

                  Expect.stringContains (string regroup["reason"]) "leads the run now" "why"

                  // It is a run like any other: others join it, and it is resumed where it was kept.
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
          } ]

[<Tests>]
let longTests =
    testList
        "Cli.takeover (long)"
        [ test "a home that was stopped comes back to find that others have gone on, and ends" {
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
          } ]
