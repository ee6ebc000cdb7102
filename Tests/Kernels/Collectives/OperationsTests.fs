module CnnCluster.Tests.Kernels.Collectives.OperationsTests

open System
open System.Threading
open Expecto
open FsCheck.FSharp
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Kernels.Collectives.Ranks
open CnnCluster.Tests.Kernels.Collectives.Implementations

/// Small whole numbers, whose sums are exact in float32 whatever the order.
let private value rank i = float ((i * 7 + rank * 5) % 23)

let private valuesOf rank length = Array.init length (value rank)

let private floatsOf (tensor: torch.Tensor) =
    use doubles = tensor.``to`` torch.float64
    doubles.data<float>().ToArray()

/// A tensor that begins one element behind an aligned address.
let private unaligned element (values: float[]) =
    use wider = element.Tensor(Array.append [| 0.0 |] values)
    wider.narrow (0, 1, values.Length)

let private chunk rank world (values: float[]) =
    let struct (start, length) = Chunks.Of(rank, world, values.Length)
    Array.sub values start length

let private sumOf world length =
    Array.init length (fun i -> Seq.sum [ for rank in 0 .. world - 1 -> value rank i ])

/// How long each rank's part is: parts of all lengths, and some of none.
let private partLengths world length =
    [| for rank in 0 .. world - 1 -> if rank % 3 = 2 then 0 else length + rank |]

/// Each operation: what a rank gets, and what it must be.
let private operations =
    let inPlace operate element length (rank: ICollective) =
        use buffer = unaligned element (valuesOf rank.Rank.Value length)
        operate rank buffer
        floatsOf buffer

    [ "sum", inPlace (fun rank b -> rank.AllReduceSum b), (fun world length _ -> sumOf world length)
      "max",
      inPlace (fun rank b -> rank.AllReduceMax b),
      (fun world length _ -> Array.init length (fun i -> Seq.max [ for rank in 0 .. world - 1 -> value rank i ]))
      "mean of equal weights",
      inPlace (fun rank b -> rank.AllReduceMean(b, 2.0)),
      (fun world length _ -> sumOf world length |> Array.map (fun sum -> Math.Round(sum / float world, 3)))
      "broadcast from the last rank",
      inPlace (fun rank b -> rank.Broadcast(b, Rank(rank.WorldSize.Value - 1))),
      (fun world length _ -> valuesOf (world - 1) length)
      "reduce-scatter",
      (fun element length (rank: ICollective) ->
          use buffer = unaligned element (valuesOf rank.Rank.Value length)

          use part =
              unaligned element (chunk rank.Rank.Value rank.WorldSize.Value (Array.zeroCreate length))

          rank.ReduceScatterSum(buffer, part)
          floatsOf part),
      (fun world length rank -> chunk rank world (sumOf world length))
      "all-gather of unequal parts",
      (fun element length (rank: ICollective) ->
          let lengths = partLengths rank.WorldSize.Value length
          use part = unaligned element (valuesOf rank.Rank.Value lengths[rank.Rank.Value])
          use whole = unaligned element (Array.zeroCreate (Array.sum lengths))
          rank.AllGather(part, lengths, whole)
          floatsOf whole),
      (fun world length _ ->
          partLengths world length
          |> Array.indexed
          |> Array.collect (fun (rank, own) -> valuesOf rank own)) ]

let private runs element length (ranks: ICollective[]) (name, operate, expected) =
    for rank, result in onThreads ranks (operate element length) |> all |> Array.indexed do
        let rounded =
            if (name: string).StartsWith "mean" then
                Array.map (fun (x: float) -> Math.Round(x, 3)) result
            else
                result

        Expect.equal rounded (expected ranks.Length length rank) $"{name} of {length} {element.Type} on rank {rank}"

let private anyCase implementation =
    let cases =
        gen {
            let! world = Gen.elements (List.filter (fun w -> w > 1) implementation.Worlds)

            let! length =
                Gen.frequency [ 3, Gen.choose (0, 40); 2, Gen.choose (41, 5000); 1, Gen.choose (30_000, 150_000) ]

            let! operation = Gen.choose (0, operations.Length - 1)
            let! element = Gen.choose (0, elements.Length - 1)
            return world, length, operation, element
        }

    let holds (world, length, operation, element) =
        disposing (implementation.Open world bound) (fun ranks ->
            runs elements[element] length ranks operations[operation])

    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = 40 }
        $"{implementation.Name}: any operation, world and length gives its closed form"
        (Prop.forAll (Arb.fromGen cases) holds)

let private large implementation world =
    testCase $"{implementation.Name}: {world} ranks" (fun () ->
        disposing (implementation.Open world bound) (fun ranks ->
            for length in [ 3; 5000 ] do
                for operation in operations do
                    runs elements[0] length ranks operation

            onThreads ranks _.Barrier() |> all |> ignore))

let private means implementation =
    testCase $"{implementation.Name}: a mean counts each rank by its weight, and one of weight 0 not at all" (fun () ->
        disposing (implementation.Open 3 bound) (fun ranks ->
            let work (rank: ICollective) =
                let mine, weight = [ 1.0, 1.0; 4.0, 2.0; nan, 0.0 ][rank.Rank.Value]
                use buffer = torch.tensor (Array.create 10 mine)
                rank.AllReduceMean(buffer, weight)
                floatsOf buffer

            for mean in onThreads ranks work |> all do
                Expect.equal mean (Array.create 10 3.0) "(1·1 + 2·4) / 3"))

let private greatest implementation =
    testCase $"{implementation.Name}: the greatest of anything and NaN is NaN, on all ranks" (fun () ->
        disposing (implementation.Open 3 bound) (fun ranks ->
            let work (rank: ICollective) =
                use buffer =
                    torch.tensor [| (if rank.Rank.Value = 1 then nan else 5.0); float rank.Rank.Value |]

                rank.AllReduceMax buffer
                floatsOf buffer

            for result in onThreads ranks work |> all do
                Expect.isTrue (Double.IsNaN result[0]) "NaN is not lost"
                Expect.equal result[1] 2.0 "the greatest"))

let private inOrder implementation =
    testCase $"{implementation.Name}: started operations run in order, and a call waits for those before it" (fun () ->
        disposing (implementation.Open 3 bound) (fun ranks ->
            let work (rank: ICollective) =
                let buffers = [ for _ in 1..20 -> torch.ones [| 20_000L |] ]

                let started =
                    [ for buffer in buffers ->
                          rank.Start(fun c ->
                              c.AllReduceSum buffer
                              c.Barrier()
                              c.AllReduceSum buffer) ]

                use after = torch.ones [| 10L |]
                rank.AllReduceSum after
                let done' = started |> List.forall _.IsDone

                for handle in started do
                    handle.Wait()

                let results =
                    [ for buffer in buffers -> Seq.distinct (floatsOf buffer) |> Seq.toList ]

                buffers |> List.iter _.Dispose()
                done', results, floatsOf after

            for done', results, after in onThreads ranks work |> all do
                Expect.isTrue done' "the call returned behind all of them"
                Expect.equal results (List.replicate 20 [ 9.0 ]) "each was summed twice"
                Expect.equal after (Array.create 10 3.0) "and the call's buffer once"))

let private failing implementation =
    testCase $"{implementation.Name}: an abort fails everything that was started, and bounds every wait" (fun () ->
        disposing (implementation.Open 2 bound) (fun ranks ->
            use first = torch.ones [| 100_000L |]
            use second = torch.ones [| 10L |]

            let handles =
                [ for b in [ first; second ] -> ranks[0].Start(fun c -> c.AllReduceSum b) ]

            Expect.isFalse (handles[0].Wait(TimeSpan.FromMilliseconds 20.0)) "the other rank has not come"
            ranks[0].Abort "the run was stopped"

            for handle in handles do
                let failure = Expect.throwsC (fun () -> handle.Wait bound |> ignore) id
                Expect.equal failure.Message "the run was stopped" "the reason"))

let private refused implementation =
    testCase $"{implementation.Name}: parts and weights that do not fit are refused before anything is sent" (fun () ->
        disposing (implementation.Open 2 bound) (fun ranks ->
            use three = torch.ones [| 3L |]
            use doubles = torch.ones ([| 3L |], torch.float64)
            use part = torch.ones [| 2L |]

            let refuses what act =
                Expect.throwsT<ArgumentException> act what

            refuses "another chunk's length" (fun () -> ranks[1].ReduceScatterSum(three, part))
            refuses "a whole that is too short" (fun () -> ranks[0].AllGather(part, [| 2; 2 |], three))
            refuses "one length for two ranks" (fun () -> ranks[0].AllGather(part, [| 2 |], part))
            refuses "two types" (fun () -> ranks[0].AllGather(three, [| 3; 0 |], doubles))
            refuses "a negative weight" (fun () -> ranks[0].AllReduceMean(three, -1.0))
            refuses "no weight" (fun () -> ranks[0].AllReduceMean(three, nan))
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> ranks[0].Broadcast(three, Rank 2)) "no such root"))

let private closing =
    testCase "a collective that is closed during an operation ends it, and waits for its end" (fun () ->
        for implementation in joined do
            let ranks = implementation.Open 2 bound
            use entering = new ManualResetEventSlim()

            let waiting () =
                use buffer = torch.ones [| 300_000L |]
                entering.Set()
                ranks[0].AllReduceSum buffer

            let closing () =
                entering.Wait bound |> ignore
                ranks[0].Dispose()

            let results = onThreads [| waiting; closing |] (fun act -> act ())
            Expect.isOk results[1] "closed"

            match results[0] with
            | Error(:? CollectiveException) -> ()
            | other -> failtest $"{implementation.Name}: expected a CollectiveException, got {other}"

            ranks[1].Dispose())

[<Tests>]
let tests =
    testList
        "Kernels.Collectives.Operations"
        [ for implementation in joined do
              anyCase implementation
              means implementation
              greatest implementation
              inOrder implementation
              failing implementation
              refused implementation

          large joined[0] 16
          large joined[1] 17
          closing ]

[<Tests>]
let longTests =
    testList "Kernels.Collectives.Operations (long)" [ large joined[0] 64; large joined[0] 37; large joined[2] 33 ]
