/// Runs over several hosts whose network is slow, loses frames, and falls apart.
module CnnCluster.Tests.Cli.Hosts.HostsTests

open System
open System.IO
open System.Threading
open Expecto
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Security

let private script epochs =
    (Cnn.lenet (settings epochs)).Replace("train=640", "train=320")
    |> fun text -> text.Replace("    loss cross-entropy", "    exact shards=6\n    loss cross-entropy")

/// A run's process on a host, and the folder that it keeps.
type private Part(hosts: Hosts.Hosts, host: int, arguments, folder: string, name) =
    let cnn =
        hosts.Start(
            host,
            arguments
            @ [ "--json"; "--out"; name; "--cert"; Path.Combine(folder, "cluster", $"host-{host}") ],
            folder
        )

    let run = Run(cnn, folder, (fun () -> Hosts.programOf cnn))

    member _.Name = name
    member _.Run = run
    member _.Process = cnn
    member _.JoinFile = Path.Combine(folder, name, "join")

    interface IDisposable with
        member _.Dispose() =
            if not cnn.HasExited then cnn.Kill true
            cnn.Dispose()

let private certificates folder count =
    Certificates.cluster folder "cluster" [ for host in 1..count -> $"host-{host},{Switch.addressOf host}" ]
    |> ignore

let private home (hosts: Hosts.Hosts) folder arguments =
    let listening = [ "--listen"; $"{Switch.addressOf 1}:0"; "--threads"; "1" ]
    new Part(hosts, 1, [ "train"; "net.cnn" ] @ listening @ arguments, folder, "run")

let private node hosts folder (run: Part) host =
    new Part(hosts, host, [ "node"; "--join"; run.JoinFile ], folder, $"node-{host}")

/// The hosts of a generation.
let private hostsOf (event: Text.Json.Nodes.JsonNode) =
    [ for worker in event["workers"].AsArray() -> string worker["host"] ]

/// Waits until the run goes on with these hosts.
let private goesOn (part: Part) hosts =
    let names = [ for host in hosts -> $"host-{host}" ]

    let isOfThese (event: Text.Json.Nodes.JsonNode) =
        List.contains (string event["event"]) [ "start"; "regroup" ]
        && List.sort (hostsOf event) = names

    part.Run.First($"a generation of {names}", patience, isOfThese) |> ignore
    part.Run.Next "epoch" |> ignore

/// Three hosts and what acts on them; where the machine has none, says why.
let private onHosts act =
    match Hosts.whyNot () with
    | Some reason -> printfn $"no network namespaces here, and so no runs over several hosts: {reason}"
    | None ->
        Cnn.inFolder (fun folder ->
            use hosts = new Hosts.Hosts(3)
            certificates folder 3
            act hosts folder)

let private endless hosts folder act =
    Cnn.write folder "net.cnn" (script 1_000_000) |> ignore
    use run = home hosts folder []
    run.Run.Next "listen" |> ignore
    use second = node hosts folder run 2
    use third = node hosts folder run 3
    goesOn run [ 1; 2; 3 ]
    act run second third

let private weights (events: Cnn.Result) =
    string (events.Field("end", "weights_sha256"))

/// What a command says of the weights in the end, without any hosts.
let private alone folder arguments =
    let ended = Cnn.run folder ("train" :: arguments @ [ "--json"; "--threads"; "1" ])
    Expect.equal ended.ExitCode 0 ended.Error
    weights ended

[<Tests>]
let tests =
    testSequencedGroup "hosts"
    <| testList
        "Cli.hosts (long)"
        [ test "over slow cables that lose frames a run ends with the bits of one that was left alone" {
              onHosts (fun hosts folder ->
                  Cnn.write folder "net.cnn" (script 4) |> ignore
                  hosts.Weather(5.0, 0.01) |> ignore
                  // Two workers on the first host sum among themselves first.
                  use run = home hosts folder [ "--workers"; "2"; "--min-workers"; "4" ]
                  run.Run.Next "listen" |> ignore
                  use second = node hosts folder run 2
                  use third = node hosts folder run 3

                  let ending =
                      run.Run.First("the end", TimeSpan.FromSeconds 90.0, fun e -> string e["event"] = "end")

                  Expect.equal
                      (string ending["weights_sha256"])
                      (alone folder [ "net.cnn"; "--out"; "alone" ])
                      "the same bits"

                  for part in [ run; second; third ] do
                      Expect.isTrue (part.Process.WaitForExit patience) $"{part.Name} ends"
                      Expect.equal part.Process.ExitCode 0 $"{part.Name} ends well"

                  let passed, lost = hosts.Weather(0.0, 0.0)
                  printfn $"hosts: {passed} frames have come, and {lost} were lost"
                  Expect.isGreaterThan lost (passed / 200) "about one in a hundred was lost")
          }
          test
              "a run over two hosts says that its gradients travel by TCP, and by hosts as soon as one of them has several workers" {
              onHosts (fun hosts folder ->
                  Cnn.write folder "net.cnn" (script 1_000_000) |> ignore
                  let exchange (event: Text.Json.Nodes.JsonNode) = string event["exchange"]
                  use run = home hosts folder [ "--min-workers"; "2" ]
                  run.Run.Next "listen" |> ignore
                  use second = node hosts folder run 2
                  let started = run.Run.Next "start"
                  Expect.equal (hostsOf started) [ "host-1"; "host-2" ] "one worker a host"
                  Expect.equal (exchange started) "tcp" "between the two"

                  use beside =
                      new Part(hosts, 2, [ "node"; "--join"; run.JoinFile ], folder, "beside")

                  let regroup = run.Run.Next("regroup", (fun event -> int event["world"] = 3))
                  Expect.equal (hostsOf regroup) [ "host-1"; "host-2"; "host-2" ] "two workers on the second"
                  Expect.equal (exchange regroup) "hierarchical" "within it first"

                  beside.Process.Kill true
                  let regroup = run.Run.Next("regroup", (fun event -> int event["world"] = 2))
                  Expect.equal (exchange regroup) "tcp" "one a host again"
                  Expect.isFalse second.Process.HasExited "the other node goes on")
          }
          test "a run that begins with several workers on a host says so in its start" {
              onHosts (fun hosts folder ->
                  Cnn.write folder "net.cnn" (script 1) |> ignore
                  use run = home hosts folder [ "--workers"; "2"; "--min-workers"; "3" ]
                  run.Run.Next "listen" |> ignore
                  use second = node hosts folder run 2
                  let started = run.Run.Next "start"
                  Expect.equal (hostsOf started) [ "host-1"; "host-1"; "host-2" ] "two threads and a node"

                  Expect.equal
                      (string started["exchange"])
                      "hierarchical"
                      "within the first host, and then between them"

                  run.Run.Next "end" |> ignore
                  Expect.isTrue (second.Process.WaitForExit patience) "the node ends with the run"
                  Expect.equal second.Process.ExitCode 0 "and well")
          }
          test "gradients that travel in 16 bits change the curve of a smooth network by less than 1e-4" {
              onHosts (fun hosts folder ->
                  Cnn.write folder "net.cnn" (Cnn.smoothLenet (settings 5)) |> ignore

                  use run =
                      home hosts folder [ "--workers"; "2"; "--min-workers"; "3"; "--wire"; "bfloat16" ]

                  run.Run.Next "listen" |> ignore
                  use second = node hosts folder run 2
                  let losses (next: int -> float) = List.map next [ 1..5 ]
                  let rounded = losses (fun _ -> float (run.Run.Next("epoch")["train_loss"]))
                  let ending = run.Run.Next "end"
                  Expect.isTrue (second.Process.WaitForExit patience) "the node ends with the run"
                  Expect.equal second.Process.ExitCode 0 "and well"

                  let plain =
                      Cnn.run
                          folder
                          [ "train"; "net.cnn"; "--out"; "plain"; "--workers"; "3"; "--threads"; "1"; "--json" ]

                  Expect.equal plain.ExitCode 0 plain.Error
                  Expect.notEqual (string ending["weights_sha256"]) (weights plain) "rounded"

                  let epochs = plain.Events |> Array.filter (fun e -> string e["event"] = "epoch")

                  for mine, theirs in List.zip rounded (losses (fun epoch -> float (epochs[epoch - 1]["train_loss"]))) do
                      Expect.isLessThan (abs (mine - theirs) / theirs) 1e-4 $"{mine} and {theirs}")
          }
          test "Ctrl-C at the home ends the run on all its hosts, and it can go on" {
              onHosts (fun hosts folder ->
                  Cnn.write folder "net.cnn" (script 1_000_000) |> ignore
                  use run = home hosts folder [ "--min-workers"; "2" ]
                  run.Run.Next "listen" |> ignore
                  use second = node hosts folder run 2
                  goesOn run [ 1; 2 ]
                  let code, errors = run.Run.Interrupt()
                  Expect.equal code 130 errors
                  Expect.stringContains errors "--resume" "how it goes on"
                  Expect.isTrue (second.Process.WaitForExit patience) "the node ends with the run"
                  Expect.equal second.Process.ExitCode 0 "and well")
          }
          test "a node that is cut off keeps what it has and stops, and the others go on" {
              onHosts (fun hosts folder ->
                  endless hosts folder (fun run second third ->
                      hosts.Cut 3
                      goesOn run [ 1; 2 ]
                      let code, errors = third.Run.End()
                      Expect.equal code 1 errors
                      Expect.stringContains errors "no majority of the workers was there" "why it stops"
                      Expect.isFalse second.Process.HasExited "the other node goes on"
                      run.Run.Next "epoch" |> ignore

                      // What it kept is of a whole step: it goes on to the bits of a run that was left alone.
                      let until = [ "--epochs"; string (int (run.Run.Next("epoch")["epoch"]) + 1) ]
                      let resumed = alone folder ([ "--resume"; third.Name ] @ until)
                      Expect.equal resumed (alone folder ([ "net.cnn"; "--out"; "alone" ] @ until)) "the same bits"))
          }
          test "a node on the side of a home that is outvoted goes over to the others when it reaches them" {
              onHosts (fun hosts folder ->
                  endless hosts folder (fun run second third ->
                      let further host =
                          new Part(hosts, host, [ "node"; "--join"; run.JoinFile ], folder, $"further-{host}")

                      use beside = further 1
                      use fourth = further 2
                      goesOn run [ 1; 1; 2; 2; 3 ]
                      hosts.Cut 1
                      let others = [ second; third; fourth ]
                      let leads (part: Part) = File.Exists part.JoinFile

                      if not (SpinWait.SpinUntil((fun () -> List.exists leads others), patience)) then
                          failtest "no node leads the run"

                      let leading = List.find leads others
                      goesOn leading [ 2; 2; 3 ]
                      let code, errors = run.Run.End()
                      Expect.equal code 1 errors
                      Expect.stringContains errors "the others may go on elsewhere" "why the home stops"
                      hosts.Mend 1

                      try
                          goesOn leading [ 1; 2; 2; 3 ]
                      with e ->
                          failtest $"{e.Message}\nthe node that was beside the home:\n  {beside.Run.Errors}"

                      Expect.isFalse beside.Process.HasExited "the node that was beside the home takes part"))
          }
          test "where the home's host is cut off the others go on; it stops when it is back, and may join them" {
              onHosts (fun hosts folder ->
                  endless hosts folder (fun run second third ->
                      hosts.Cut 1

                      let leads (part: Part) = File.Exists part.JoinFile

                      if not (SpinWait.SpinUntil((fun () -> leads second || leads third), patience)) then
                          failtest "no node leads the run"

                      let leading = if leads second then second else third
                      goesOn leading [ 2; 3 ]
                      let code, errors = run.Run.End()
                      Expect.equal code 1 errors
                      Expect.stringContains errors "the others may go on elsewhere" "why it stops"
                      hosts.Mend 1

                      use again =
                          new Part(hosts, 1, [ "node"; "--join"; leading.JoinFile ], folder, "again")

                      goesOn leading [ 1; 2; 3 ]
                      Expect.isFalse again.Process.HasExited "it takes part"))
          } ]
