/// Whose votes count where the coordinator is silent.
module CnnCluster.Tests.Trainer.Coordination.SuccessionTests

open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Coordination.Voters

/// The coordinator says that it leads no more.
let private steppedDown =
    WorkerInput.Received(SteppedDown(Reason = "too few are left"))

/// The command that the voters have, said again.
let private again () =
    WorkerInput.Received(TrainEpoch(Generation = 1L, Epoch = 1))

/// In a generation of five that two of four have agreed to so far: they and the newcomer give their votes, and a third refuses
/// its own.
let private isChosen refusedBegun =
    let voter = begun ()
    let form = voter.ReadyForSecond()
    voter.Wait 3.2

    let votes isProbe =
        [ for incarnation, isGranted in [ 2uy, true; 5uy, true; 3uy, false ] do
              let vote =
                  Vote(
                      Term = 1L,
                      Probe = isProbe,
                      Granted = isGranted,
                      Incarnation = ByteString.CopyFrom incarnation,
                      Form = form,
                      Begun = (refusedBegun && not isGranted)
                  )

              yield! voter.Effects(WorkerInput.FromPeer vote) ]

    votes true |> ignore
    votes false |> List.exists (fun effect -> effect :? WorkerEffect.Lead)

/// Tenths of a second behind which one of this rank asks for votes again: it has stood just as its two peers did, and each has
/// its own vote.
let private standsAgain rank =
    let voter = Voter rank
    voter.Begin()
    voter.Wait 3.8

    let answer (incarnation: byte) isProbe =
        Vote(
            Term = 1L,
            Probe = isProbe,
            Granted = isProbe,
            Incarnation = ByteString.CopyFrom incarnation,
            Form = voter.First,
            Voted = (if isProbe then 0L else 1L)
        )

    for vote in [ answer 2uy true; answer 2uy false; answer 3uy false ] do
        voter.Handle(WorkerInput.FromPeer vote) |> ignore

    let asks _ =
        voter.Pass 0.1
        |> List.exists (fun message ->
            match message with
            | :? RequestVote as request -> request.Term = 2L
            | _ -> false)

    1 + List.findIndex asks [ 1..100 ]

/// Whether it withdraws at once in this term, in which both of its peers say that they might vote for it, and then vote for others.
let private withdrawsIn (voter: Voter) term =
    let asks _ =
        voter.Pass 0.1
        |> List.exists (fun message ->
            match message with
            | :? RequestVote as request -> request.Term = term && request.Probe
            | _ -> false)

    List.find asks [ 1..100 ] |> ignore

    [ for incarnation, isProbe in [ 2uy, true; 2uy, false; 3uy, false ] do
          let vote =
              Vote(
                  Term = term,
                  Probe = isProbe,
                  Granted = isProbe,
                  Incarnation = ByteString.CopyFrom incarnation,
                  Form = voter.First,
                  Voted = (if isProbe then term - 1L else term)
              )

          yield! voter.Handle(WorkerInput.FromPeer vote) ]
    |> List.exists (fun message ->
        match message with
        | :? RequestVote as request -> request.Withdrawn
        | _ -> false)

/// Two of three want it to lead, in this term.
let private choose term (voter: Voter) =
    for isProbe in [ true; false ] do
        let vote =
            Vote(
                Term = term,
                Probe = isProbe,
                Granted = true,
                Incarnation = ByteString.CopyFrom 2uy,
                Form = voter.First
            )

        voter.Handle(WorkerInput.FromPeer vote) |> ignore

/// Where the others are told to go.
let private announced messages =
    messages
    |> List.choose (fun (message: IMessage) ->
        match message with
        | :? FollowCoordinator as follow -> Some follow.Coordinator
        | _ -> None)
    |> List.distinct

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.Succession"
        [ test "a vote is given where the coordinator is silent, and not before" {
              let voter = begun ()
              Expect.isFalse (voter.Votes()) "it is there"
              voter.Wait 2.0
              Expect.isTrue (voter.Votes()) "it is silent"
          }
          test
              "one that has told its coordinator that it failed, and agrees to all that that one does, votes for no other" {
              let voter = begun ()
              Expect.isTrue (voter.Fails FailureKind.Worker) "said"
              voter.Wait 2.0
              Expect.isFalse (voter.Votes()) "no vote"
          }
          test "one that fails behind its vote does not agree to its old coordinator too" {
              let voter = begun ()
              voter.Wait 2.0
              Expect.isTrue (voter.Votes()) "its vote"
              Expect.isFalse (voter.Fails FailureKind.Worker) "not said"
          }
          test
              "one that fails while its coordinator is silent keeps the failure to itself as long as it may vote for another" {
              let voter = begun ()
              voter.Wait 2.0
              Expect.isFalse (voter.Fails FailureKind.Worker) "who has not heard of it does not count on it"
              Expect.isTrue (voter.Votes()) "so its vote is good"
          }
          test "and says it where the coordinator is there after all, and has no vote then" {
              let voter = begun ()
              voter.Wait 2.0
              voter.Fails FailureKind.Worker |> ignore
              voter.Handle(WorkerInput.Received(CoordinatorBeat())) |> ignore
              Expect.exists (voter.Pass 0.1) (fun message -> message :? WorkerFailed) "said"
              Expect.isFalse (voter.Pass 0.1 |> List.exists (fun message -> message :? WorkerFailed)) "once"
              Expect.exists (voter.Handle(again ())) (fun message -> message :? WorkerFailed) "and again when asked"
              voter.Wait 2.0
              Expect.isFalse (voter.Votes()) "no vote"
          }
          test "that a collective or the whole run has failed takes nobody's vote" {
              for kind in [ FailureKind.Peer; FailureKind.Run ] do
                  let voter = begun ()
                  Expect.isTrue (voter.Fails kind) "said"
                  voter.Wait 2.0
                  Expect.isTrue (voter.Votes()) $"{kind}"
          }
          test "where its coordinator leads no more it stops, lives on, and votes at once" {
              let voter = begun ()
              let effects = voter.Effects steppedDown
              Expect.exists effects (fun effect -> effect :? WorkerEffect.Halt) "stops"
              Expect.isFalse (effects |> List.exists (fun effect -> effect :? WorkerEffect.End)) "lives on"
              Expect.isTrue (voter.Votes()) "votes"
          }
          test "the first member stands then without a delay, and asks the others who leads" {
              let voter = begun ()
              voter.Handle steppedDown |> ignore
              let said = List.collect voter.Pass [ for _ in 1..10 -> 0.1 ]
              Expect.exists said (fun message -> message :? RequestVote) "stands"
              Expect.exists said (fun message -> message :? RegisterWorker) "asks"
              let follow = FollowCoordinator(Term = 1L, Coordinator = "there")

              Expect.exists
                  (voter.Effects(WorkerInput.FromPeer follow))
                  (fun effect -> effect :? WorkerEffect.Follow)
                  "goes over"
          }
          test "where no other comes it keeps its state, and ends" {
              let voter = begun ()
              voter.Handle steppedDown |> ignore
              voter.Wait 29.0

              let standing =
                  WorkerInput.Reported(WorkerHalted(HasState = true, Position = Position(Step = 7L)))

              let isKept () =
                  voter.Effects standing
                  |> List.exists (fun effect -> effect :? WorkerEffect.Keep)

              Expect.isFalse (isKept ()) "half a minute is not over"
              voter.Wait 2.0
              Expect.isTrue (isKept ()) "nothing is waited for without a bound"
          }
          test "what an earlier coordinator says of itself ends nothing" {
              let voter = begun ()

              voter.Handle(WorkerInput.FromPeer(FollowCoordinator(Term = 2L, Coordinator = "there")))
              |> ignore

              voter.Handle(WorkerInput.Received(WorkerAccepted(Slot = 3, Job = Job(), Term = 2L)))
              |> ignore

              Expect.isEmpty (voter.Effects(WorkerInput.Received(SteppedDown(Term = 1L)))) "another leads"
          }
          test "nodes stand one behind the other, and not behind workers that end with the home" {
              /// Twentieths of a second without a coordinator behind which it stands.
              let standing rank ofHome =
                  let voter = Voter(rank, ofHome)
                  voter.Begin()

                  let asks _ =
                      voter.Pass 0.05 |> List.exists (fun message -> message :? RequestVote)

                  1 + List.findIndex asks [ 1..200 ]

              for rank in 0..2 do
                  Expect.isLessThan (standing rank 8) (60 + 5 * rank + 3) $"rank {rank}"
                  Expect.equal (standing rank 8) (standing rank 0) "whether the home has workers or not"

              Expect.isGreaterThan (standing 1 8) (standing 0 8 + 3) "and not at once"
          }
          test "where all stand at once, and none can have a majority, they stand again at once, one behind the other" {
              let tenths = List.map standsAgain [ 0; 1; 2 ]
              Expect.isLessThan tenths[0] 3 "the first"
              Expect.isLessThan tenths[1] 6 "the second, which would wait for its vote's promise otherwise"
              Expect.equal tenths (List.sort (List.distinct tenths)) "not at once"
          }
          test "behind one loss a candidate withdraws three times, and then waits for the rest of its rounds" {
              let voter = begun ()

              Expect.equal
                  [ for term in 1L .. 5L -> withdrawsIn voter term ]
                  [ true; true; true; false; false ]
                  "in five terms"
          }
          test "a vote that its candidate gives back holds up no other" {
              let granted (voter: Voter) message =
                  voter.Handle(WorkerInput.FromPeer message)
                  |> List.exists (fun message ->
                      match message with
                      | :? Vote as vote -> vote.Granted
                      | _ -> false)

              for candidate, isGivenBack in [ "second", true; "third", false ] do
                  let voter = begun ()
                  voter.Wait 2.0
                  Expect.isTrue (granted voter (RequestVote(Term = 1L, Candidate = "second"))) "its vote"
                  let later = RequestVote(Term = 2L, Candidate = "third")
                  Expect.isFalse (granted voter later) "which it keeps for a while"

                  granted voter (RequestVote(Term = 1L, Candidate = candidate, Withdrawn = true))
                  |> ignore

                  Expect.equal (granted voter later) isGivenBack $"{candidate} stands no more"
          }
          test "where its process takes over for too long nobody is told to follow, and it stands again" {
              let voter = begun ()
              voter.Wait 3.2
              choose 1L voter
              let waiting = List.collect voter.Pass [ for _ in 1..95 -> 0.1 ]
              Expect.isEmpty waiting "the others are to come to it"
              let over = List.collect voter.Pass [ for _ in 1..10 -> 0.1 ]
              Expect.isEmpty (announced over) "there is no coordinator to follow"
              Expect.exists over (fun message -> message :? RequestVote) "it may be chosen again"
              choose 2L voter
              Expect.isEmpty (announced (voter.Handle(WorkerInput.Leads(1L, "late")))) "one that was given up"

              Expect.equal
                  (announced (voter.Handle(WorkerInput.Leads(2L, "there"))))
                  [ "there" ]
                  "the one that was chosen"
          }
          test "that a generation has begun is so whoever says it: then those that agreed to it need not agree again" {
              Expect.isFalse (isChosen false) "two of the four before are no majority"
              Expect.isTrue (isChosen true) "three of five are"
          } ]
