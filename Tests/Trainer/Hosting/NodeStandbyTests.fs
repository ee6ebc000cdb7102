/// A node that comes to lead its run, or to keep its state, more than once in its life.
module CnnCluster.Tests.Trainer.Hosting.NodeStandbyTests

open System
open System.IO
open System.Threading
open System.Threading.Tasks
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Observation
open CnnCluster.Trainer.Protocol
open CnnCluster.Trainer.Security
open CnnCluster.Trainer.Training

let private token = Array.init 16 byte

let private job =
    let training =
        Script.Training(
            { File = "net.cnn"
              Text = Cnn.lenet (settings 1) },
            null,
            [],
            TrainingCatalogues.All
        )

    Job(Script = training.Value.Canonical, TrainName = training.Value.Plan.Name, Threads = 1)

/// A majority of a generation whose members are elsewhere.
let private mandate term =
    let roster = Roster()
    roster.Members.Add(Member(Control = "elsewhere", Incarnation = Google.Protobuf.ByteString.CopyFrom 1uy))
    Mandate(term, 1L, [| roster |])

let private deaf =
    { new IRunReader with
        member _.Read _ = ()
      interface IDisposable with
          member _.Dispose() = () }

let private within (task: Task<'result>) =
    Expect.isTrue (task.Wait patience) $"within {patience}"
    task.Result

let private ends (task: ValueTask) =
    Expect.isTrue (task.AsTask().Wait patience) $"it ends within {patience}"

/// What a node does from one building of its control plane to its end, which comes as that of one which the cluster has given up.
let private throughOneControlPlane folder act =
    use network = NodeNetwork.Loopback()
    use refusals = new Refusals(ignore)

    let node =
        ClusterNode.StartHomeAsync(network, 0, token, ProcessObservation.OfEnvironment(), CancellationToken.None)
        |> within

    try
        let standby =
            new NodeStandby(
                node,
                network,
                refusals,
                WorkerOffer(token, Nullable(), [| "cpu" |]),
                DataCache(),
                folder,
                ignore
            )

        try
            let result = act standby
            Expect.isTrue (node.System.Terminate().Wait patience) "its ActorSystem ends"
            result
        finally
            ends (standby.DisposeAsync())
    finally
        ends (node.DisposeAsync())

[<Tests>]
let tests =
    testList
        "Trainer.standby"
        [ test "a node whose control plane is built anew leads again, and keeps its state, in the folder that it has" {
              inFolder (fun home ->
                  let path = Path.Combine(home, "out")

                  use folder = new NodeFolder(NodeStandbyOptions(path, ignore, (fun _ _ _ -> deaf)))

                  for term in 1L .. 2L do
                      throughOneControlPlane folder (fun standby ->
                          let coordinator = standby.LeadAsync(mandate term, job) |> within
                          Expect.stringEnds coordinator "/user/coordinator" "where it leads"
                          Expect.isTrue (File.Exists(Path.Combine(path, "join"))) "and others can join")

                      Expect.isFalse (File.Exists(Path.Combine(path, "join"))) "nobody joins what has ended"

                  for _ in 1..2 do
                      throughOneControlPlane folder (fun standby ->
                          let places = standby.KeepAsync(job, Position(Step = 7L)) |> within
                          Expect.equal places.Count 1 "a checkpoint has a place")

                  Expect.equal folder.Kept.Location path "one folder")
          }
          test "a node whose coordinator came too late ends it, and may lead in a later term" {
              inFolder (fun home ->
                  let path = Path.Combine(home, "out")
                  use folder = new NodeFolder(NodeStandbyOptions(path, ignore, (fun _ _ _ -> deaf)))
                  let canBeJoined () = File.Exists(Path.Combine(path, "join"))

                  throughOneControlPlane folder (fun standby ->
                      let ends term =
                          Expect.isTrue ((standby.RetireAsync term).Wait patience) $"within {patience}"

                      standby.LeadAsync(mandate 1L, job) |> within |> ignore
                      ends 2L
                      Expect.isTrue (canBeJoined ()) "that of another term stays"
                      ends 1L
                      Expect.isFalse (canBeJoined ()) "its own"
                      standby.LeadAsync(mandate 3L, job) |> within |> ignore
                      Expect.isTrue (canBeJoined ()) "a later one"))
          }
          test "a folder that could not be written is written when it is asked for again" {
              inFolder (fun home ->
                  let path = Path.Combine(home, "out")
                  let isFull = ref true

                  let reader _ _ _ =
                      if isFull.Value then raise (IOException "no space left")

                      deaf

                  use folder = new NodeFolder(NodeStandbyOptions(path, ignore, reader))

                  throughOneControlPlane folder (fun standby ->
                      let failure =
                          Expect.throwsC (fun () -> standby.KeepAsync(job, Position()) |> within |> ignore) string

                      Expect.stringContains failure "no space left" "why"
                      Expect.isNull folder.Kept "nothing is kept"
                      isFull.Value <- false
                      let places = standby.KeepAsync(job, Position()) |> within
                      Expect.equal places.Count 1 "a checkpoint has a place"))
          }
          test "who has it lead, or keep its state, does not wait for its files" {
              inFolder (fun home ->
                  use isWritten = new ManualResetEventSlim()

                  let reader _ _ _ =
                      if not (isWritten.Wait(2.0 * patience)) then
                          raise (IOException "nobody has written it")

                      deaf

                  let folderOf name =
                      new NodeFolder(NodeStandbyOptions(Path.Combine(home, name), ignore, reader))

                  use led = folderOf "led"
                  use kept = folderOf "kept"

                  let waits folder (act: NodeStandby -> Task<'result>) =
                      isWritten.Reset()

                      throughOneControlPlane folder (fun standby ->
                          let doing = Task.Factory.StartNew(fun () -> act standby) |> within
                          Expect.isFalse doing.IsCompleted "the disk stands still"
                          isWritten.Set()
                          doing |> within |> ignore)

                  waits led _.LeadAsync(mandate 1L, job)
                  waits kept _.KeepAsync(job, Position()))
          }
          test "who leaves while a disk stands still does not wait for it, and what it comes to then leads nobody" {
              inFolder (fun home ->
                  use goesOn = new ManualResetEventSlim()

                  let reader _ _ _ =
                      goesOn.Wait(4.0 * patience) |> ignore
                      deaf

                  use folder =
                      new NodeFolder(NodeStandbyOptions(Path.Combine(home, "out"), ignore, reader))

                  let doing =
                      throughOneControlPlane folder (fun standby -> standby.LeadAsync(mandate 1L, job))

                  Expect.isFalse doing.IsCompleted "it was waited for no longer than that"
                  goesOn.Set()
                  Expect.throwsT<AggregateException> (fun () -> doing.Wait patience |> ignore) "it does not lead"
                  Expect.isFalse (File.Exists(Path.Combine(home, "out", "join"))) "and nobody can join it")
          }
          test "where a node looks for the run anew, a path of a peer's that makes no sense leads to nobody" {
              for path, expected in
                  [ "akka.tcp://cnn@there:4711/user/worker-0", [ "akka.tcp://cnn@there:4711" ]
                    "akka://cnn/user/worker-0", []
                    "/user/worker-0", []
                    "there", []
                    "", [] ] do
                  Expect.equal [ for address in WorkerHost.AddressOf path -> string address ] expected path
          } ]
