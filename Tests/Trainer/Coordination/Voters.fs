/// One that may lead the run where its coordinator is silent.
module CnnCluster.Tests.Trainer.Coordination.Voters

open System
open Google.Protobuf
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol

/// A member of a generation of three nodes, of this rank among them, which may lead the run, under a clock that is moved by hand.
/// Workers of the home's that cannot come before them.
type Voter(rank: int, ?ofHome: int) =
    let mutable now = 0.0
    let mutable incarnations = 0

    let machine =
        WorkerMachine(
            WorkerIdentity(
                Array.zeroCreate 16,
                -1,
                "there",
                42,
                "cpu",
                1,
                "self",
                true,
                Process = CoordinatorStage.processOf 42
            ),
            Func<ByteString>(fun () ->
                incarnations <- incarnations + 1
                ByteString.CopyFrom(if incarnations = 1 then 1uy else 100uy + byte incarnations)),
            TimeSpan.Zero
        )

    let memberOf (path: string) (incarnation: byte) =
        Member(Control = path, Incarnation = ByteString.CopyFrom incarnation, MayLead = true)

    let atHome =
        [ for i in 1 .. defaultArg ofHome 0 ->
              Member(Control = $"home-{i}", Incarnation = ByteString.CopyFrom(50uy + byte i)) ]

    member _.Effects input =
        machine.Handle(input, TimeSpan.FromSeconds now) |> List.ofSeq

    member voter.Handle input =
        [ for effect in voter.Effects input do
              match effect with
              | :? WorkerEffect.Send as send -> send.Message
              | :? WorkerEffect.Tell as tell -> tell.Message
              | _ -> () ]

    /// The command to form its first generation.
    member _.First =
        let form = FormGeneration(Generation = 1L)
        form.Members.AddRange atHome
        form.Members.AddRange(List.insertAt rank (memberOf "self" 1uy) [ memberOf "second" 2uy; memberOf "third" 3uy ])
        form

    /// Taken in, ready, and in the middle of an epoch.
    member voter.Begin() =
        for message in
            [ WorkerAccepted(Slot = 3, Job = Job()) :> IMessage; voter.First; TrainEpoch(Generation = 1L, Epoch = 1) ] do
            voter.Handle(WorkerInput.Received message) |> ignore

            if message :? FormGeneration then
                voter.Handle(WorkerInput.Reported(WorkerReady(Generation = 1L, Position = Position())))
                |> ignore

    /// Ready for a second generation, with one more member, which may not have begun.
    member voter.ReadyForSecond() =
        let names = [ "second", 2uy; "third", 3uy; "fourth", 4uy; "fifth", 5uy ]
        let roster = Roster()

        roster.Members.AddRange
            [ memberOf "self" 1uy; memberOf "second" 2uy; memberOf "third" 3uy; memberOf "fourth" 4uy ]

        let form = FormGeneration(Generation = 2L)
        form.Members.Add(memberOf "self" 1uy)
        form.Members.AddRange [ for path, incarnation in names -> memberOf path incarnation ]
        form.Bases.Add roster
        voter.Handle(WorkerInput.Received form) |> ignore

        voter.Handle(WorkerInput.Reported(WorkerReady(Generation = 2L, Position = Position())))
        |> ignore

        form

    /// Lets time pass in which no coordinator is heard of.
    member voter.Wait seconds =
        for _ in 1 .. int (seconds / 0.1) do
            now <- now + 0.1
            voter.Handle(WorkerInput.Tick()) |> ignore

    /// Lets time pass, and returns what it does then.
    member voter.After seconds =
        now <- now + seconds
        voter.Effects(WorkerInput.Tick())

    /// Lets time pass, and returns what it says then.
    member voter.Pass seconds =
        now <- now + seconds
        voter.Handle(WorkerInput.Tick())

    /// Whether it gives its vote to another.
    member voter.Votes() =
        voter.Handle(WorkerInput.FromPeer(RequestVote(Term = 5L, Candidate = "second")))
        |> List.exists (fun message ->
            match message with
            | :? Vote as vote -> vote.Granted
            | _ -> false)

    member voter.Fails kind =
        voter.Handle(WorkerInput.Reported(WorkerFailed(Generation = 1L, Kind = kind, Reason = "x")))
        |> List.exists (fun message -> message :? WorkerFailed)

/// The first of three, in the middle of an epoch.
let begun () =
    let voter = Voter 0
    voter.Begin()
    voter
