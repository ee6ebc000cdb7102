/// What becomes of a vote whose candidate is lost, or has had too few.
module CnnCluster.Tests.Trainer.Coordination.PromiseTests

open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Coordination.Voters

/// A coordinator of a term below the one that was voted in is there.
let private ofTerm term =
    WorkerInput.FromPeer(FollowCoordinator(Term = term, Coordinator = "there"))

let private lower = ofTerm 2L

let private follows effects =
    effects
    |> List.exists (fun (effect: WorkerEffect) ->
        match effect with
        | :? WorkerEffect.Follow as follow -> follow.Coordinator = "there"
        | _ -> false)

/// Its incarnation, as it registers next.
let private registers (voter: Voter) =
    List.collect voter.Pass [ for _ in 1..5 -> 0.1 ]
    |> List.pick (fun message ->
        match message with
        | :? RegisterWorker as registration -> Some registration.Incarnation
        | _ -> None)

/// It is told again and again that another leads, and says for how many seconds it did not follow.
let private heldBack (voter: Voter) =
    Seq.initInfinite (fun i -> 0.4 * float i)
    |> Seq.takeWhile (fun seconds -> seconds < 29.0)
    |> Seq.tryFind (fun _ ->
        voter.Pass 0.4 |> ignore
        follows (voter.Effects lower))

let private told (voter: Voter) =
    voter.Effects(WorkerInput.FromPeer(RequestVote(Term = 1L, Probe = true, Candidate = "third")))
    |> List.exists (fun effect ->
        match effect with
        | :? WorkerEffect.Direct as direct -> direct.Peer = "third"
        | _ -> false)

/// A candidate of the third term, with its own vote, that may have been chosen.
let private standing isChosen =
    let voter = begun ()
    voter.Wait 2.0

    voter.Handle(WorkerInput.FromPeer(RequestVote(Term = 2L, Candidate = "second")))
    |> ignore

    voter.Wait 2.5

    let vote isProbe =
        WorkerInput.FromPeer(
            Vote(
                Term = 3L,
                Probe = isProbe,
                Granted = (isProbe || isChosen),
                Incarnation = ByteString.CopyFrom 3uy,
                Form = voter.First,
                Voted = 2L
            )
        )

    voter.Handle(vote true) |> ignore
    voter, voter.Effects(vote false)

let private leads effects =
    effects
    |> List.exists (fun (effect: WorkerEffect) -> effect :? WorkerEffect.Lead)

let private givesBack effects =
    effects
    |> List.exists (fun (effect: WorkerEffect) ->
        match effect with
        | :? WorkerEffect.Tell as tell ->
            match tell.Message with
            | :? RequestVote as request -> request.Term = 3L && request.Withdrawn
            | _ -> false
        | _ -> false)

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.Succession.Promises"
        [ test
              "a candidate that was not chosen follows a coordinator of an earlier term at once, as the member that it was" {
              let voter, effects = standing false
              Expect.isFalse (leads effects) "its vote was refused"
              let effects = voter.Effects lower
              Expect.isTrue (follows effects) "it goes over"
              Expect.isTrue (givesBack effects) "and gives back what others may have promised it"
              Expect.equal (registers voter) (ByteString.CopyFrom 1uy) "its agreement may be needed"

              let late =
                  Vote(Term = 3L, Granted = true, Incarnation = ByteString.CopyFrom 3uy, Form = voter.First, Voted = 3L)

              Expect.isFalse (leads (voter.Effects(WorkerInput.FromPeer late))) "no vote of its term counts any more"
          }
          test
              "one that has voted for another before does not follow whoever was chosen earlier still: that vote may count" {
              let voter, _ = standing false
              Expect.isFalse (follows (voter.Effects(ofTerm 1L))) "second may lead in term 2, with its vote"
              let effects = voter.Effects lower
              Expect.isTrue (follows effects) "and does"
          }
          test "no term gets a second vote of a member that has followed an earlier one" {
              let voter, _ = standing false
              voter.Effects lower |> ignore
              voter.Wait 2.0

              let answer term =
                  voter.Effects(WorkerInput.FromPeer(RequestVote(Term = term, Candidate = "third")))
                  |> List.pick (fun effect ->
                      match effect with
                      | :? WorkerEffect.Tell as tell ->
                          match tell.Message with
                          | :? Vote as vote -> Some vote
                          | _ -> None
                      | _ -> None)

              let vote = answer 3L
              Expect.equal (vote.Granted, vote.Voted) (false, 3L) "its own was of that term, and the candidate is told"
              Expect.isTrue (answer 4L).Granted "the next one is open"
          }
          test "that a takeover of an earlier term has failed takes no later one's announcement away" {
              let voter, effects = standing true
              Expect.isTrue (leads effects) "chosen in term 3"
              voter.Handle(WorkerInput.CannotLead(2L, "too late")) |> ignore
              Expect.isTrue (follows (voter.Effects(WorkerInput.Leads(3L, "there")))) "it leads"
              let voter, _ = standing true
              voter.Handle(WorkerInput.CannotLead(3L, "no place")) |> ignore
              Expect.isFalse (follows (voter.Effects(WorkerInput.Leads(3L, "there")))) "it does not"
          }
          test "one that was chosen does not: its mandate stands on its vote" {
              let voter, effects = standing true
              Expect.isTrue (leads effects) "chosen"
              Expect.isFalse (follows (voter.Effects lower)) "of an earlier term"
          }
          test
              "one that was chosen and cannot lead, or has not begun to, gives back what it was promised, and follows whoever was chosen before" {
              let voter, _ = standing true
              let effects = voter.Effects(WorkerInput.CannotLead(3L, "no place"))
              Expect.isTrue (givesBack effects) "at once"
              Expect.isTrue (follows (voter.Effects lower)) "of an earlier term"
              Expect.equal (registers voter) (ByteString.CopyFrom 1uy) "as the member that it was"
              let slow, _ = standing true

              let within seconds =
                  List.collect slow.After [ for _ in 1 .. int (seconds * 10.0) -> 0.1 ]

              Expect.isFalse (givesBack (within 9.5)) "it may still lead"
              Expect.isTrue (givesBack (within 1.0)) "nobody waits for it any more"
              let late = slow.Effects(WorkerInput.Leads(3L, "there"))
              Expect.isFalse (follows late) "it does not lead then"
              Expect.equal [ for effect in late -> string effect ] [ string (WorkerEffect.Retire 3L) ] "what leads ends"
          }
          test "a candidate whose round runs out gives back what it was promised" {
              let voter, _ = standing false

              let within seconds =
                  List.collect voter.After [ for _ in 1 .. int (seconds * 10.0) -> 0.1 ]

              Expect.isFalse (givesBack (within 1.2)) "votes may still come"
              Expect.isTrue (givesBack (within 0.6)) "it counts none any more"
              Expect.isTrue (givesBack (within 1.0)) "and says so again, as nothing answers it"
              within 4.0 |> ignore
              Expect.isFalse (givesBack (within 4.0)) "not for ever"
          }
          test "a vote that was given back is not given again in its term" {
              let voter = begun ()
              voter.Wait 2.0
              Expect.isTrue (voter.Votes()) "in term 5"
              Expect.isTrue (voter.Votes()) "its answer may have been lost"

              voter.Handle(WorkerInput.FromPeer(RequestVote(Term = 5L, Candidate = "second", Withdrawn = true)))
              |> ignore

              Expect.isFalse (voter.Votes()) "nobody counts it"
          }
          test
              "one that was chosen follows itself at last, also where it has voted for another meanwhile that does not come" {
              let voter, _ = standing true
              voter.Wait 2.5

              voter.Handle(WorkerInput.FromPeer(RequestVote(Term = 4L, Candidate = "second")))
              |> ignore

              voter.Wait 7.0
              Expect.isFalse (follows (voter.Effects(WorkerInput.Leads(3L, "there")))) "its vote may still count"

              let after seconds =
                  List.collect voter.After [ for _ in 1 .. int (seconds * 10.0) -> 0.1 ]

              Expect.isFalse (follows (after 6.5)) "for fourteen seconds"
              Expect.isTrue (follows (after 1.0)) "and no longer"
              Expect.notEqual (registers voter) (ByteString.CopyFrom 1uy) "as a newcomer"
          }
          test
              "one that cannot lead asks where the coordinator is: it does not stand, and so does not hear it from others" {
              let voter, _ = standing true
              voter.Handle(WorkerInput.CannotLead(3L, "no place")) |> ignore

              let asks seconds =
                  List.collect voter.Pass [ for _ in 1 .. int (seconds * 10.0) -> 0.1 ]
                  |> List.exists (fun message -> message :? RegisterWorker)

              Expect.isTrue (asks 4.0) "its peers"
          }
          test "votes that are given back in any order bind nobody" {
              for terms in [ [ 2L; 3L ]; [ 3L; 2L ] ] do
                  let voter = begun ()
                  voter.Wait 2.0

                  let ask term isWithdrawn =
                      voter.Handle(
                          WorkerInput.FromPeer(
                              RequestVote(Term = term, Candidate = $"of {term}", Withdrawn = isWithdrawn)
                          )
                      )
                      |> ignore

                  ask 2L false
                  voter.Wait 2.5
                  ask 3L false
                  ask (List.head terms) true
                  Expect.isFalse (follows (voter.Effects(ofTerm 1L))) "one may still count"
                  ask (List.last terms) true
                  Expect.isTrue (follows (voter.Effects(ofTerm 1L))) "none does"
                  Expect.equal (registers voter) (ByteString.CopyFrom 1uy) "the member"
          }
          test "behind a vote that was given back one before it, that was not, still holds for as long as a promise" {
              let voter = begun ()
              voter.Wait 2.0

              let ask term candidate isWithdrawn =
                  voter.Handle(
                      WorkerInput.FromPeer(RequestVote(Term = term, Candidate = candidate, Withdrawn = isWithdrawn))
                  )
                  |> ignore

              ask 2L "second" false
              voter.Wait 2.5
              ask 3L "third" false
              ask 3L "third" true

              let seconds =
                  Seq.initInfinite (fun i -> 0.1 * float i)
                  |> Seq.takeWhile (fun seconds -> seconds < 20.0)
                  |> Seq.find (fun _ ->
                      voter.Pass 0.1 |> ignore
                      follows (voter.Effects(ofTerm 1L)))

              Expect.isGreaterThan seconds 11.0 "second may still come"
              Expect.isLessThan seconds 12.0 "it has not"
          }
          test "who has promised itself to another agrees to no generation that its coordinator has asked for before" {
              let voter = begun ()
              let form = FormGeneration(Generation = 2L)
              form.Members.AddRange voter.First.Members
              voter.Handle(WorkerInput.Received form) |> ignore
              voter.Wait 2.0
              Expect.isTrue (voter.Votes()) "a promise in term 5"

              let ready =
                  WorkerInput.Reported(WorkerReady(Generation = 2L, Position = Position()))

              Expect.isEmpty (voter.Effects ready) "its thread is ready, and nobody is told"

              let vote =
                  voter.Handle(WorkerInput.FromPeer(RequestVote(Term = 5L, Candidate = "second")))
                  |> List.pick (fun message ->
                      match message with
                      | :? Vote as vote -> Some vote
                      | _ -> None)

              Expect.equal vote.Form.Generation 1L "it is a member of the first"
          }
          test "who has got its vote back follows a coordinator of an earlier term at once, as the member that it was" {
              for isWithdrawn in [ true; false ] do
                  let voter = begun ()
                  voter.Wait 2.0

                  for withdrawn in [ false; isWithdrawn ] do
                      voter.Handle(
                          WorkerInput.FromPeer(RequestVote(Term = 3L, Candidate = "third", Withdrawn = withdrawn))
                      )
                      |> ignore

                  Expect.equal (follows (voter.Effects lower)) isWithdrawn $"given back: {isWithdrawn}"

                  if isWithdrawn then
                      Expect.equal (registers voter) (ByteString.CopyFrom 1uy) "the member"
          }
          test "where the one chosen is lost, those that have promised themselves to it stand by their ranks" {
              let stands rank =
                  let voter = Voter rank
                  voter.Begin()
                  voter.Wait 2.0
                  Expect.isTrue (voter.Votes()) "a promise"

                  Seq.initInfinite (fun i -> 0.05 * float (i + 1))
                  |> Seq.find (fun _ -> voter.Pass 0.05 |> List.exists (fun message -> message :? RequestVote))

              for rank, due in [ 0, 2.0; 1, 2.25; 2, 2.5 ] do
                  let stood = stands rank
                  Expect.isGreaterThanOrEqual stood (due - 1e-6) $"rank {rank} stands {stood} s behind its promise"
                  Expect.isLessThan stood (due + 0.11) $"rank {rank} stands {stood} s behind its promise"
          }
          test
              "a promise that nobody has claimed gives way to a coordinator of an earlier term, as whose newcomer it goes on" {
              let voter = begun ()
              voter.Wait 2.0
              Expect.isTrue (voter.Votes()) "a promise in term 5"

              let seconds =
                  Expect.wantSome (heldBack voter) "it goes over before it would keep its state and end"

              Expect.isGreaterThanOrEqual seconds 13.0 "whoever has the promise has the time to claim it"
              Expect.isLessThan seconds 15.0 "and no more than that"
              Expect.notEqual (registers voter) (ByteString.CopyFrom 1uy) "the member that it was has promised itself"
          }
          test "a promise is its member's, and not the newcomer's that comes anew" {
              let voter = begun ()
              voter.Wait 2.0
              Expect.isTrue (voter.Votes()) "a promise in term 5"

              for _ in 1..30 do
                  voter.Handle(WorkerInput.Received(CoordinatorBeat())) |> ignore
                  voter.Pass 0.5 |> ignore

              Expect.notEqual (registers voter) (ByteString.CopyFrom 1uy) "its coordinator is there after all"
              Expect.isTrue (follows (voter.Effects lower)) "it follows the one that the others have chosen"
          }
          test "who refuses its vote since it hears a coordinator says where that one is" {
              let voter = begun ()
              Expect.isTrue (told voter) "one that was away while it was chosen finds it"
              voter.Wait 2.0
              Expect.isFalse (told voter) "it is silent here too"
              let fenced = begun ()
              fenced.Wait 2.0
              Expect.isTrue (fenced.Votes()) "a promise"
              fenced.Handle(WorkerInput.Received(CoordinatorBeat())) |> ignore
              Expect.isFalse (told fenced) "nobody is sent where it would not go itself"
          } ]
