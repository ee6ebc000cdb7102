/// The coordinator's rules where a worker's connections have broken.
module CnnCluster.Tests.Trainer.Coordination.BrokenConnectionTests

open Expecto
open CnnCluster.Trainer.Coordination
open CnnCluster.Trainer.Coordination.Machines
open CnnCluster.Trainer.Protocol
open CnnCluster.Tests.Trainer.Coordination.CoordinatorStage

/// Three workers, whose first says that its connection to the second has ended; the two that are well stand still.
let private accused () =
    let stage = begun 3
    stage.Say(0, WorkerFailed(Generation = 1L, Kind = FailureKind.Peer, Reason = "closed", LostPeer = 1))
    stage.Halt([ 0; 2 ], 4L)
    stage

/// Which members the last generation has, by their slots.
let private formed (stage: Stage) =
    [ for m in (stage.Last<FormGeneration> 0).Members -> m.Slot ]

[<Tests>]
let tests =
    testList
        "Trainer.Coordination.CoordinatorMachine.Broken connections"
        [ for what, input in
              [ "has broken", CoordinatorInput.ChannelBroken(box 1) :> CoordinatorInput
                "is one that the control plane takes for gone", CoordinatorInput.ChannelDoubted(box 1) ] do
              test $"one that a peer blames, and whose own connection {what}, is given up within a second" {
                  let stage = accused ()
                  stage.Handle input
                  stage.Wait(0.5, [ 0; 2 ])
                  Expect.equal stage.State "Regrouping" "it may have something to say"
                  stage.Wait(0.5, [ 0; 2 ])
                  Expect.equal stage.State "Connecting" "a process that lives keeps one of both"
                  Expect.equal (formed stage) [ 0; 2 ] "without it"
              }
          test "one whose own connection has broken, and that no peer blames, has as long as for any word" {
              let stage = begun 3
              stage.Handle(CoordinatorInput.ChannelBroken(box 1))
              stage.Wait(5.0, [ 0; 2 ])
              Expect.equal stage.State "Training" "it may connect anew"
              stage.Wait(0.5, [ 0; 2 ])
              Expect.equal stage.State "Regrouping" "then it is silent"
          }
          test
              "one whose own connection has broken, and whose host refuses another, is given up within a second though no peer blames it" {
              let stage = begun 3
              stage.Handle(CoordinatorInput.ChannelBroken(box 1))
              stage.Handle(CoordinatorInput.ChannelRefused(box 1))
              stage.Wait(0.5, [ 0; 2 ])
              Expect.equal stage.State "Training" "what it has said may be on its way"
              stage.Wait(0.5, [ 0; 2 ])
              Expect.equal stage.State "Regrouping" "nobody is there"
          }
          test "one that listens nowhere, and speaks, is kept" {
              let stage = begun 3
              stage.Handle(CoordinatorInput.ChannelRefused(box 1))
              stage.Wait(10.0, [ 0; 1; 2 ])
              Expect.equal stage.State "Training" "its connection holds, or another was made"
          }
          test "one that a peer blames, and whose own connection holds, has two seconds" {
              let stage = accused ()
              stage.Wait(2.0, [ 0; 2 ])
              Expect.equal stage.State "Regrouping" "the peer may be the one that is out of reach"
              stage.Wait(0.5, [ 0; 2 ])
              Expect.equal (formed stage) [ 0; 2 ] "then"
          }
          test "one that a peer blames, and that connects anew and speaks, is kept" {
              let stage = accused ()
              stage.Handle(CoordinatorInput.ChannelBroken(box 1))
              stage.Wait(30.0, [ 0; 1; 2 ])
              Expect.equal stage.State "Regrouping" "it is at a long step"
              stage.Halt([ 1 ], 4L)
              Expect.equal (formed stage) [ 0; 1; 2 ] "all of them"
          }
          test "what it had sent before its connection ended does not make up for that" {
              let stage = accused ()
              stage.Handle(CoordinatorInput.ChannelBroken(box 1))
              stage.Say(1, Heartbeat())
              stage.Wait(1.0, [ 0; 2 ])
              Expect.equal (formed stage) [ 0; 2 ] "it says nothing any more"
          }
          test "a home that stood still gives up nobody whose words it has not read yet, whatever broke meanwhile" {
              let stage = accused ()
              stage.Handle(CoordinatorInput.ChannelBroken(box 1))
              stage.Say(1, Heartbeat())
              stage.Pass 12.0
              stage.Handle(CoordinatorInput.Tick())
              Expect.equal stage.State "Regrouping" "the time in which it stood still does not count"
              stage.Halt([ 1 ], 4L)
              Expect.equal (formed stage) [ 0; 1; 2 ] "all of them"
          }
          test "the seconds that a regroup has taken are the clock's, also those in which the home stood still" {
              let stage = begun 2
              stage.Handle(CoordinatorInput.ProcessLost(101, 137))
              stage.Pass 3.0
              stage.Halt([ 0 ], 4L)
              stage.Ready([ 0 ], 4L)

              let seconds =
                  stage.Events
                  |> Seq.pick (function
                      | :? RunRegrouped as regrouped -> Some regrouped.Took.TotalSeconds
                      | _ -> None)

              Expect.equal seconds 3.0 "as whoever waits has them"
          } ]
