module CnnCluster.Tests.Kernels.Collectives.CollectiveTests

open System
open System.Threading
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Kernels.Collectives.Ranks
open CnnCluster.Tests.Kernels.Collectives.Implementations

let private lengths world =
    List.distinct [ 0; 1; 2; 7; world - 1; 1000; 100_003 ]

/// What each rank's buffer holds after the operation.
let private after (operate: ICollective -> torch.Tensor -> unit) tensorOf (ranks: ICollective[]) =
    onThreads ranks (fun rank ->
        use buffer: torch.Tensor = tensorOf rank.Rank.Value
        operate rank buffer
        bytesOf buffer)
    |> all

let private reduce (rank: ICollective) buffer = rank.AllReduceSum buffer

let private sums element ranks =
    for length in lengths (Array.length ranks) do
        let leaves =
            [ for rank in 0 .. ranks.Length - 1 -> Array.init length (sample rank) ]

        let expected = element.TreeSum leaves

        for bytes in after reduce (fun rank -> element.Tensor leaves[rank]) ranks do
            Expect.isTrue (bytes.AsSpan().SequenceEqual(ReadOnlySpan expected)) $"{length} elements, bit for bit"

let private ranksSum element (ranks: ICollective[]) =
    let world = ranks.Length
    use expected = element.Tensor(Array.create 100 (float (world * (world - 1)) / 2.0))

    for bytes in after reduce (fun rank -> element.Tensor(Array.create 100 (float rank))) ranks do
        Expect.equal bytes (bytesOf expected) "n(n-1)/2"

let private broadcasts element (ranks: ICollective[]) =
    for root in 0 .. ranks.Length - 1 do
        for length in [ 0; 1; 5000 ] do
            let content rank =
                element.Tensor(Array.init length (sample rank))

            use expected = content root

            for bytes in after (fun rank buffer -> rank.Broadcast(buffer, Rank root)) content ranks do
                Expect.equal bytes (bytesOf expected) $"rank {root}'s {length} elements"

let private barrier (ranks: ICollective[]) =
    let mutable entered = 0

    let seen =
        onThreads ranks (fun rank ->
            Interlocked.Increment &entered |> ignore
            rank.Barrier()
            Volatile.Read &entered)
        |> all

    for count in seen do
        Expect.equal count ranks.Length "all had entered before one left"

let private sequence element (ranks: ICollective[]) =
    let world = float ranks.Length

    let work (rank: ICollective) =
        use buffer = element.Tensor(Array.create 3000 1.0)

        for round in 1..5 do
            rank.AllReduceSum buffer
            rank.Barrier()
            rank.Broadcast(buffer, Rank(round % ranks.Length))

        bytesOf buffer

    use expected = element.Tensor(Array.create 3000 (world ** 5.0))

    for bytes in onThreads ranks work |> all do
        Expect.equal bytes (bytesOf expected) "n to the number of rounds"

let private contract implementation =
    [ for world in implementation.Worlds do
          let on act () =
              disposing (implementation.Open world bound) act

          let name = $"{implementation.Name}, world {world}"

          for element in elements do
              testCase $"{name}: all-reduce of {element.Type} is the tree's sum, bit for bit" (on (sums element))
              testCase $"{name}: the {element.Type} ranks add up to n(n-1)/2" (on (ranksSum element))
              testCase $"{name}: every root's {element.Type} buffer reaches all" (on (broadcasts element))
              testCase $"{name}: operations on {element.Type} follow each other" (on (sequence element))

          testCase $"{name}: no rank leaves a barrier before all have entered" (on barrier) ]

let private failure (result: Result<unit, exn>) =
    match result with
    | Error(:? CollectiveException as e) -> e
    | Error other -> failtest $"expected a CollectiveException, got {other}"
    | Ok _ -> failtest "expected a CollectiveException, but the operation succeeded"

let private reduceOnes length (rank: ICollective) =
    use buffer = torch.ones [| int64 length |]
    rank.AllReduceSum buffer

let private failures implementation =
    let on world patience act () =
        disposing (implementation.Open world patience) act

    let short = TimeSpan.FromMilliseconds 300.0
    let name = implementation.Name

    [ for lengths in [ [ 10; 11 ]; [ 10; 10; 11 ]; [ 0; 50_000; 50_000 ] ] do
          testCase $"{name}: an all-reduce of {lengths} elements fails on all ranks"
          <| on lengths.Length bound (fun ranks ->
              for result in onThreads ranks (fun rank -> reduceOnes lengths[rank.Rank.Value] rank) do
                  failure result |> ignore)

      testCase $"{name}: a broadcast into a buffer of another length fails"
      <| on 2 bound (fun ranks ->
          let results =
              onThreads ranks (fun rank ->
                  use buffer = torch.ones [| 5L + int64 rank.Rank.Value |]
                  rank.Broadcast(buffer, Rank 0))

          failure results[1] |> ignore)

      testCase $"{name}: an abort ends the operation under way with its reason, and all later ones"
      <| on 2 bound (fun ranks ->
          use entering = new ManualResetEventSlim()

          let aborting () =
              entering.Wait bound |> ignore
              ranks[0].Abort "the run was stopped"

          let waiting () =
              entering.Set()
              reduceOnes 1000 ranks[0]

          let results = onThreads [| waiting; aborting |] (fun act -> act ())
          Expect.equal (failure results[0]).Message "the run was stopped" "the reason"

          for later in [ reduceOnes 1000; (fun rank -> rank.Barrier()) ] do
              let again = onThreads [| ranks[0] |] later
              Expect.equal (failure again[0]).Message "the run was stopped" "the reason again")

      testCase $"{name}: an abort of one rank ends the others' operations"
      <| on 3 bound (fun ranks ->
          ranks[0].Abort "the run was stopped"

          for result in onThreads ranks[1..] (reduceOnes 100_000) do
              failure result |> ignore)

      testCase $"{name}: a rank that does not come is a time-out for the others"
      <| on 3 short (fun ranks ->
          for result in onThreads ranks[..1] (reduceOnes 100_000) do
              failure result |> ignore

          for result in onThreads ranks[..1] (fun rank -> rank.Barrier()) do
              failure result |> ignore)

      testCase $"{name}: a buffer of whole numbers is refused"
      <| on 1 bound (fun ranks ->
          use buffer = torch.ones ([| 3L |], torch.ScalarType.Int32)

          if ranks[0] :? SoloCollective |> not then
              Expect.throwsT<ArgumentException> (fun () -> ranks[0].AllReduceSum buffer) "only float32 and float64") ]

let private gone =
    [ for length in [ 100; 1_000_000 ] do
          test $"TCP: a peer that is gone is named by the others ({length} elements)" {
              disposing (tcp 3 bound) (fun ranks ->
                  ranks[1].Dispose()

                  for result in onThreads [| ranks[0]; ranks[2] |] (reduceOnes length) do
                      Expect.equal (failure result).Peer (Nullable(Rank 1)) "the peer"
                      Expect.stringContains (failure result).Message "rank 1" "its name")
          } ]

/// More ranks than cores are woken one after the other: the first is gone before the last is awake.
let private closing =
    let last: (string * (ICollective -> unit)) list =
        [ "a sum", reduceOnes 100; "a barrier", (fun rank -> rank.Barrier()) ]

    [ for name, operate in last do
          test $"in-process: a rank that closes right behind {name} fails nobody who is still leaving it" {
              for _ in 1..30 do
                  onThreads (inProcess 16 bound) (fun rank ->
                      operate rank
                      rank.Dispose())
                  |> all
                  |> ignore
          } ]

[<Tests>]
let tests =
    testList
        "Kernels.Collectives"
        [ yield! List.collect contract (solo :: joined)
          yield! List.collect failures joined
          yield! gone
          yield! closing ]
