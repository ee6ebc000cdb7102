module CnnCluster.Tests.Kernels.Collectives.BufferHomeTests

#nowarn "9" // addresses are compared

open System
open FSharp.NativeInterop
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Kernels.Collectives.Ranks
open CnnCluster.Tests.Kernels.Collectives.Implementations

/// Long enough to be read in place, of several blocks, and no multiple of anything.
let private length = 700_001

let private bufferOf length =
    new FlatBuffer(
        [| ArenaSegment("all", [| int64 length |]) |],
        torch.ScalarType.Float32,
        torch.CPU,
        0L,
        OperatingSystem.IsLinux()
    )

let private fill rank (buffer: FlatBuffer) =
    use values =
        torch.tensor (Array.init (int (buffer.Whole.numel ())) (fun i -> float32 (sample rank i)))

    buffer.Whole.copy_ values |> ignore

/// What ranks' buffers are after each does the same with its own, adopted or not.
let private results (ranks: ICollective[]) isAdopted (act: ICollective -> FlatBuffer -> unit) =
    try
        onThreads ranks (fun rank ->
            use buffer = bufferOf length
            fill rank.Rank.Value buffer

            if isAdopted then
                rank.Adopt buffer
                Expect.isTrue buffer.Memory.IsAway "it lies in shared memory"

            act rank buffer
            bytesOf buffer.Whole)
        |> all
    finally
        for rank in ranks do
            rank.Dispose()

let private agrees world act =
    let expected = results (inProcess world bound) false act
    let found = results (sharedMemory world bound) true act
    Expect.isTrue (found = expected) $"{world} ranks have the bits that threads have"

[<Tests>]
let tests =
    testList
        "Kernels.BufferHome"
        [ for world in [ 2; 3; 5 ] do
              test $"{world} ranks that read each other's buffers in place have the sums of those that send them" {
                  agrees world (fun rank buffer ->
                      for _ in 1..3 do
                          rank.AllReduceSum buffer.Whole)
              }

              test $"{world} ranks sum stretches of such buffers too, in turn and behind one another" {
                  agrees world (fun rank buffer ->
                      let stretch from count = buffer.Whole.narrow (0, from, count)
                      use last = stretch 400_000L 300_001L
                      use middle = stretch 7L 399_993L
                      use first = stretch 0L 7L

                      let started =
                          [ for part in [ last; middle; first ] -> rank.Start(fun r -> r.AllReduceSum part) ]

                      for work in started do
                          work.Wait())
              }

              test $"{world} ranks hand such a buffer on, and take chunks of its sum" {
                  agrees world (fun rank buffer ->
                      rank.Broadcast(buffer.Whole, Rank(world - 1))
                      let struct (start, count) = Chunks.Of(rank.Rank.Value, world, length)
                      use part = buffer.Whole.narrow (0, start, count)
                      rank.ReduceScatterSum(buffer.Whole, part)

                      rank.AllGather(
                          part,
                          [| for r in 0 .. world - 1 -> (let struct (_, n) = Chunks.Of(r, world, length) in n) |],
                          buffer.Whole
                      ))
              }

          test "a buffer keeps its addresses and its values when it moves, and when it moves back" {
              use buffer = bufferOf length
              fill 0 buffer
              let before = bytesOf buffer.Whole

              let address () =
                  NativePtr.toNativeInt (TensorMemory.Pointer<float32> buffer.Views[0])

              let first = address ()
              let ranks = sharedMemory 2 bound

              onThreads ranks (fun rank ->
                  if rank.Rank.Value = 0 then
                      rank.Adopt buffer
                  else
                      use other = bufferOf length
                      rank.Adopt other)
              |> all
              |> ignore

              Expect.isTrue buffer.Memory.IsAway "it has moved"
              Expect.isTrue (bytesOf buffer.Whole = before) "its values"
              Expect.equal (address ()) first "where its views look"
              buffer.Views[0].[0] <- torch.tensor 42.0f
              Array.iter (fun (rank: ICollective) -> rank.Dispose()) ranks
              Expect.isFalse buffer.Memory.IsAway "it is this process's alone again"
              Expect.equal (buffer.Elements<float32>(0L, 1)[0]) 42.0f "what was written meanwhile"
              buffer.Whole.zero_ () |> ignore
              Expect.equal (buffer.Elements<float32>(0L, 1)[0]) 0.0f "it can be written"
          }

          test "a buffer that is moved by one generation is moved by the next" {
              use first = bufferOf length
              use second = bufferOf length

              for _ in 1..3 do
                  let ranks = sharedMemory 2 bound

                  onThreads ranks (fun rank ->
                      let buffer = if rank.Rank.Value = 0 then first else second
                      fill rank.Rank.Value buffer
                      rank.Adopt buffer
                      rank.AllReduceSum buffer.Whole)
                  |> all
                  |> ignore

                  Array.iter (fun (rank: ICollective) -> rank.Dispose()) ranks
                  Expect.isTrue (bytesOf first.Whole = bytesOf second.Whole) "both have the sum"
          }

          test "what a rank writes after its sum has failed, no other rank reads" {
              let ranks = sharedMemory 2 bound
              use buffer = bufferOf length
              use other = bufferOf length

              let outcomes =
                  onThreads ranks (fun rank ->
                      let own = if rank.Rank.Value = 0 then buffer else other
                      rank.Adopt own

                      if rank.Rank.Value = 1 then rank.Abort "enough"

                      rank.AllReduceSum own.Whole)

              for outcome in outcomes do
                  Expect.isError outcome "neither has a sum"

              Expect.isFalse buffer.Memory.IsAway "the one that waited has its buffer back"
              Array.iter (fun (rank: ICollective) -> rank.Dispose()) ranks
              Expect.isFalse other.Memory.IsAway "and so has the other"
          }

          test "a buffer may be disposed of before the collective that has adopted it" {
              let ranks = sharedMemory 2 bound

              onThreads ranks (fun rank ->
                  let buffer = bufferOf length
                  rank.Adopt buffer
                  buffer.Dispose()
                  rank.Dispose())
              |> all
              |> ignore
          }

          test "a short buffer stays where it is, and one that cannot move is summed as ever" {
              let sums isMovable count =
                  let ranks = sharedMemory 2 bound

                  onThreads ranks (fun rank ->
                      use buffer =
                          new FlatBuffer(
                              [| ArenaSegment("all", [| count |]) |],
                              torch.ScalarType.Float32,
                              torch.CPU,
                              0L,
                              isMovable && rank.Rank.Value = 0
                          )

                      buffer.Whole.fill_ (Scalars.Of 1.0) |> ignore
                      rank.Adopt buffer
                      rank.AllReduceSum buffer.Whole
                      rank.Dispose()
                      buffer.Whole.sum().item<float32>())
                  |> all

              Expect.equal (sums true 1000L) [| 2000f; 2000f |] "short"
              Expect.equal (sums true 1_000_000L) [| 2e6f; 2e6f |] "one rank's alone can move"
              Expect.equal (sums false 1_000_000L) [| 2e6f; 2e6f |] "none can"
          } ]
