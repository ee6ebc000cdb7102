module CnnCluster.Tests.Kernels.Collectives.LeavesTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Kernels.Collectives.Ranks
open CnnCluster.Tests.Kernels.Collectives.Implementations

let private length = 301

/// A rank's rows: its leaves, summed by the documented steps.
let private rows element leaves (range: LeafRange) =
    let buffers = [| for _ in 0..15 -> element.Tensor(Array.zeroCreate length) |]

    for step in SumTree.Steps(range, leaves) do
        if step.Leaf.HasValue then
            use leaf = element.Tensor(Array.init length (sample step.Leaf.Value))
            buffers[step.Buffer].copy_ leaf |> ignore
        else
            buffers[step.Buffer].add_(buffers[step.Buffer + 1], Scalars.Of 1.0) |> ignore

    let count = SumTree.Nodes(range, leaves).Count

    if count = 0 then
        torch.empty ([| 0L; int64 length |], buffers[0].dtype)
    else
        torch.stack (Array.truncate count buffers)

/// All ways to deal leaves out to ranks in order, or some of them where there are many.
let private deals world leaves =
    let rec cuts first ranks =
        if ranks = 1 then
            [ [ LeafRange(first, leaves) ] ]
        else
            [ for until in first..leaves do
                  for rest in cuts until (ranks - 1) -> LeafRange(first, until) :: rest ]

    let all = cuts 0 world
    let every = max 1 (all.Length / 6)
    all |> List.indexed |> List.filter (fun (i, _) -> i % every = 0) |> List.map snd

let private sumsLeaves element leaves (ranks: ICollective[]) =
    let expected =
        element.TreeSum [ for leaf in 0 .. leaves - 1 -> Array.init length (sample leaf) ]

    for deal in deals ranks.Length leaves do
        let work (rank: ICollective) =
            let range = deal[rank.Rank.Value]
            use nodes = rows element leaves range
            use result = element.Tensor(Array.zeroCreate length)
            rank.AllReduceTree(nodes, range, leaves, result)
            bytesOf result

        for bytes in onThreads ranks work |> all do
            Expect.isTrue (bytes.AsSpan().SequenceEqual(ReadOnlySpan expected)) $"{deal} of {leaves}, bit for bit"

let private sumsInPlace (ranks: ICollective[]) =
    let work (rank: ICollective) =
        use nodes = torch.ones [| 1L; 1000L |]
        use row = nodes[0]
        let range = LeafRange(rank.Rank.Value, rank.Rank.Value + 1)
        rank.AllReduceTree(nodes, range, ranks.Length, row)
        bytesOf row

    use expected = torch.tensor (Array.create 1000 (float32 ranks.Length))

    for bytes in onThreads ranks work |> all do
        Expect.equal bytes (bytesOf expected) "the world's size"

let private reduceRows (range: LeafRange, leaves) (rank: ICollective) =
    use nodes = torch.ones [| int64 (SumTree.Nodes(range, leaves).Count); 10L |]
    use result = torch.ones [| 10L |]
    rank.AllReduceTree(nodes, range, leaves, result)

let private mistakes =
    [ "a leaf that no rank has", [ LeafRange(0, 1), 4; LeafRange(2, 4), 4 ]
      "leaves out of order", [ LeafRange(2, 4), 4; LeafRange(0, 2), 4 ]
      "a last leaf that no rank has", [ LeafRange(0, 1), 4; LeafRange(1, 3), 4 ]
      "trees of different sizes", [ LeafRange(0, 2), 4; LeafRange(2, 4), 5 ] ]

let private contract implementation =
    let name = implementation.Name

    [ for world in List.filter (fun w -> List.contains w implementation.Worlds) [ 1; 2; 3; 4; 7; 8 ] do
          let on act () =
              disposing (implementation.Open world bound) act

          for element, trees in List.zip elements [ [ 5; 7; 16 ]; [ 7 ] ] do
              for leaves in trees do
                  testCase $"{name}, world {world}: {leaves} {element.Type} leaves have one sum, whoever holds them"
                  <| on (sumsLeaves element leaves)

          testCase $"{name}, world {world}: the sum may take the place of a leaf" (on sumsInPlace) ]

let private refusals implementation =
    [ for what, ranges in mistakes do
          testCase $"{implementation.Name}: {what} fails on all ranks" (fun () ->
              disposing (implementation.Open 2 bound) (fun ranks ->
                  let results =
                      onThreads (Array.zip (List.toArray ranges) ranks) (fun (range, rank) -> reduceRows range rank)

                  for result in results do
                      match result with
                      | Error(:? CollectiveException as e) -> Expect.stringContains e.Message "leaves" "why"
                      | other -> failtest $"expected a CollectiveException, got {other}"))

      testCase $"{implementation.Name}: rows that are not those of the leaves are refused" (fun () ->
          disposing (implementation.Open 2 bound) (fun ranks ->
              use nodes = torch.ones [| 2L; 10L |]
              use result = torch.ones [| 10L |]

              let reduce () =
                  ranks[0].AllReduceTree(nodes, LeafRange(0, 2), 4, result)

              Expect.throwsT<ArgumentException> reduce "leaves 0 and 1 are one row")) ]

[<Tests>]
let tests =
    testList
        "Kernels.Collectives.Leaves"
        [ yield! List.collect contract (solo :: joined); yield! List.collect refusals joined ]
