module CnnCluster.Tests.Kernels.Tracing.TraceTests

open System
open System.Collections.Generic
open Expecto
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Kernels.Tracing

/// What this thread's spans are while `act` runs, up to this step.
let private traced limit act =
    let events = List<TraceEvent>()
    let track = TraceTrack(limit, (fun full -> events.AddRange full), null)
    Trace.Attach track

    try
        act track
    finally
        Trace.Attach null

    track.Flush()
    List.ofSeq events

let private span name act =
    use _ = Trace.Span(name, TraceCategory.Step)
    act ()

[<Tests>]
let tests =
    testList
        "Kernels.Trace"
        [ test "spans nest, and are told in the order of their ends" {
              let events =
                  traced 10L (fun _ ->
                      Trace.At(2, 7L)

                      span "step" (fun () ->
                          span "forward" ignore
                          span "backward" ignore))

              Expect.equal [ for e in events -> e.Name ] [ "forward"; "backward"; "step" ] "names"
              let step = List.last events

              for part in events do
                  Expect.isTrue (step.Start <= part.Start && part.End <= step.End) $"{part.Name} is inside"
                  Expect.equal (part.Epoch, part.Step) (2, 7L) "the position"
          }
          test "parts of steps are recorded up to the limit, phases to the end" {
              let events =
                  traced 2L (fun _ ->
                      for step in 1L .. 4L do
                          Trace.At(1, step)
                          span "step" ignore

                      use _ = Trace.Phase "validation"
                      span "forward" ignore)

              Expect.equal
                  [ for e in events -> e.Name, e.Step ]
                  [ "step", 1L; "step", 2L; "validation", 4L ]
                  "two steps and the phase"
          }
          test "a track beside another is at its step" {
              let events = List<TraceEvent>()

              traced 1L (fun worker ->
                  let loader = TraceTrack(1L, (fun full -> events.AddRange full), worker)
                  Trace.At(1, 1L)
                  Trace.Attach loader
                  span "gather" ignore
                  Trace.Attach worker
                  Trace.At(1, 2L)
                  Trace.Attach loader
                  span "gather" ignore
                  loader.Flush())
              |> ignore

              Expect.equal [ for e in events -> e.Step ] [ 1L ] "and ends with it"
          }
          test "what a collective has started is recorded on its own thread's track, as of the worker's step" {
              let events = List<TraceEvent>()

              let own =
                  traced 1L (fun worker ->
                      worker.Collective <- TraceTrack(1L, (fun full -> events.AddRange full), worker)
                      Trace.At(1, 1L)
                      use collective = new SoloCollective()
                      let mutable thread = 0

                      let work =
                          CollectiveWork(fun _ -> span "sum" (fun () -> thread <- Environment.CurrentManagedThreadId))

                      (collective :> ICollective).Start work
                      work.Wait()
                      Expect.notEqual thread Environment.CurrentManagedThreadId "another thread"
                      // When it is disposed of, its thread has ended.
                      (collective :> IDisposable).Dispose()
                      worker.Collective.Flush())

              Expect.isEmpty own "nothing of the worker's"
              Expect.equal [ for e in events -> e.Name, e.Step ] [ "sum", 1L; "collective", 1L ] "the operation"
          }
          test "many spans are handed on before the end" {
              let handed = List<int>()
              let track = TraceTrack(1L, (fun full -> handed.Add full.Count), null)
              Trace.Attach track

              for _ in 1..5000 do
                  span "gather" ignore

              Trace.Attach null
              Expect.equal handed.Count 1 "a full buffer"
              track.Flush()
              Expect.equal (Seq.sum handed) 5000 "and the rest"
          }
          test "without a track nothing is allocated" {
              let spans () =
                  for _ in 1..1000 do
                      span "step" ignore

              spans ()
              let before = GC.GetAllocatedBytesForCurrentThread()
              spans ()
              Expect.equal (GC.GetAllocatedBytesForCurrentThread() - before) 0L "bytes"
          } ]
