/// What the thousandth sum does as the first: it leaves nothing behind, and nobody waits for who has not come yet.
module CnnCluster.Tests.Kernels.Collectives.SteadyTests

open System
open System.Threading
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.AllocatedBytes
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives.Implementations
open CnnCluster.Tests.Kernels.Collectives.Ranks

/// Bytes of a round on the calling thread.
let private bytesOfRound round =
    bytesARound (fun count ->
        for _ in 1..rounds do
            round ()
            count ())

/// The same for operations that are started again and again: of their own thread, without what is TorchSharp's.
let private bytesOfStarted (rank: ICollective) operation =
    let own = Meter()

    let work =
        CollectiveWork(fun c ->
            operation c
            own.Count())

    let started =
        bytesOfRound (fun () ->
            rank.Start work
            work.Wait())

    let scope = bytesOfRound (fun () -> (torch.NewDisposeScope()).Dispose())
    started, own.Bytes - scope

let private length = 3000L

let private operations (rank: ICollective) =
    let buffer = torch.ones [| length |]
    let leaves = torch.ones [| 1L; length |]
    let result = torch.zeros [| length |]
    let own = rank.Rank.Value

    let feedback = (rank.NewFeedback(WireFormat.BFloat16, int length))

    [ "a sum", (fun (c: ICollective) -> c.AllReduceSum buffer)
      "the greatest", (fun c -> c.AllReduceMax buffer)
      "a sum of leaves", (fun c -> c.AllReduceTree(leaves, LeafRange(own, own + 1), c.WorldSize.Value, result))
      "a sum in 16 bits", (fun c -> c.AllReduceRounded(buffer, feedback)) ]

let private leavesNothing implementation =
    testCase $"{implementation.Name}: sums leave the garbage collector nothing, called or started again" (fun () ->
        disposing (implementation.Open 2 bound) (fun ranks ->
            let work (rank: ICollective) =
                [ for name, operation in operations rank ->
                      let called = bytesOfRound (fun () -> operation rank)
                      name, called, bytesOfStarted rank operation ]

            for name, called, (starting, started) in onThreads ranks work |> all |> Seq.concat do
                Expect.isLessThan called smallest $"{name}: bytes of a call"
                Expect.isLessThan starting smallest $"{name}: bytes of starting it"
                Expect.isLessThan started smallest $"{name}: bytes of its own thread"))

let private startedOnce implementation =
    testCase
        $"{implementation.Name}: work is not started again before it has ended, and forgets how it ended"
        (fun () ->
            disposing (implementation.Open 2 bound) (fun ranks ->
                let fails = ref true

                let work =
                    CollectiveWork(fun c ->
                        c.Barrier()

                        if fails.Value then invalidArg "c" "not this time")

                Expect.isTrue work.IsDone "not started yet"
                ranks[0].Start work

                Expect.throwsT<InvalidOperationException>
                    (fun () -> ranks[0].Start work)
                    "the other rank has not come"

                ranks[1].Barrier()
                Expect.throwsT<ArgumentException> (fun () -> work.Wait bound |> ignore) "as it ended"
                fails.Value <- false
                ranks[0].Start work
                ranks[1].Barrier()
                Expect.isTrue (work.Wait bound) "well"))

/// 48 MB, more than the buffers of a connection take: Linux lets them grow to some 36.
let private long = 12_000_000L

/// The first rank sends both others more than connections hold, and the one it sends to first takes nothing before the
/// other one has all.
let private goesOn implementation =
    testCase $"{implementation.Name}: who takes nothing yet does not keep the others from what is theirs" (fun () ->
        disposing (implementation.Open 3 bound) (fun ranks ->
            use served = new ManualResetEventSlim()

            let work (rank: ICollective) =
                use buffer =
                    torch.full ([| long |], Scalars.Of(float rank.Rank.Value), torch.float32)

                if rank.Rank.Value = 1 then
                    Expect.isTrue (served.Wait bound) "the last rank was served"

                rank.Broadcast(buffer, Rank 0)

                if rank.Rank.Value = 2 then served.Set()

                buffer.abs().max().item<float32>()

            for greatest in onThreads ranks work |> all do
                Expect.equal greatest 0f "the first rank's"))

/// The first rank has more to send than the connection holds, to one that never takes it, and then is cut off from it.
let private cutOff implementation =
    testCase $"{implementation.Name}: who is cut off while it sends hears of it as of any lost peer" (fun () ->
        for cut in
            [ fun (ranks: ICollective[]) -> ranks[0].Abort "the run was stopped"
              fun ranks -> ranks[1].Dispose() ] do
            disposing (implementation.Open 2 bound) (fun ranks ->
                use buffer = torch.zeros [| long |]
                let sending = ranks[0].Start(fun c -> c.Broadcast(buffer, Rank 0))
                Expect.isFalse (sending.Wait(TimeSpan.FromMilliseconds 200.0)) "nobody takes it"
                cut ranks

                Expect.throwsT<CollectiveException> (fun () -> sending.Wait bound |> ignore) "it ends"

                Expect.throwsT<CollectiveException>
                    (fun () -> ranks[0].AllReduceSum buffer)
                    "and so does all behind it"))

[<Tests>]
let tests =
    testList
        "Kernels.Collectives.Steady"
        [ yield! List.map leavesNothing joined
          yield! List.map startedOnce joined
          let overTcp =
              joined |> List.find (fun implementation -> implementation.Name = "TCP")

          goesOn overTcp
          cutOff overTcp ]
