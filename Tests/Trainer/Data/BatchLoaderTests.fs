module CnnCluster.Tests.Trainer.Data.BatchLoaderTests

open System
open System.Collections.Generic
open System.Threading
open Expecto
open CnnCluster.Kernels
open CnnCluster.Trainer.Data
open CnnCluster.Tests.Trainer.Data.AugmentationTests

let private seed = 5uL

let private shapes = [ SampleShape(1, 3, 4); SampleShape(2, 2, 3) ]

/// Samples with two inputs of 12 numbers each, a class and a row of two numbers.
let private setOf count =
    let images number shape =
        Images(shape, Array.init (count * 12) (fun i -> byte (i * (7 + number))))

    SampleSet(
        count,
        Array.ofList (List.mapi images shapes),
        [| TargetValues.Classes(Array.init count (fun i -> int64 (i % 10)))
           TargetValues.Numbers(2, Array.init (2 * count) float32) |]
    )

let private loader set batch rank world (augmentations: Augmentation list) =
    BatchLoader(set, batch, rank, Array.replicate world 1, seed, augmentations, batch)

/// One image of a sample, computed plainly.
let private plainImage (set: SampleSet) (augmentations: Augmentation list) epoch sample input =
    let pixels =
        Array.init 12 (fun i -> float32 set.Inputs[input].Pixels[sample * 12 + i] / 255f)

    let apply source (place, augmentation: Augmentation) =
        let destination = Array.zeroCreate 12

        let key =
            RandomKey.Of(seed, RandomPurpose.Augmentation, $"{augmentation.Name}/{place}/{input}")

        let draws = AugmentationDraws(key, CounterRandom.Row(int64 epoch, int64 sample))
        augmentation.Apply.Invoke(shapes[input], draws, ReadOnlySpan(source: float32[]), Span destination)
        destination

    augmentations |> List.indexed |> List.fold apply pixels

/// One sample of an epoch, computed plainly: its images, its class and its numbers.
let private plain set augmentations epoch sample =
    [ plainImage set augmentations epoch sample 0; plainImage set augmentations epoch sample 1 ],
    int64 (sample % 10),
    [| float32 (2 * sample); float32 (2 * sample + 1) |]

let private classes (batch: Batch) =
    TensorMemory.Span<int64>(batch.Targets[0]).ToArray()

let private rows (batch: Batch) =
    TensorMemory.Span<float32>(batch.Targets[1]).ToArray() |> Array.chunkBySize 2

let private samples (batch: Batch) =
    let images =
        [ for pixels in batch.Inputs ->
              List.ofArray (Array.chunkBySize 12 (TensorMemory.Span<float32>(pixels).ToArray())) ]
        |> List.transpose

    List.zip3 images (List.ofArray (classes batch)) (List.ofArray (rows batch))

/// The global batches put together again from all ranks' slices, which are checked on the way.
let private together (slices: Batch list list) =
    [ for slices in List.transpose slices do
          let counts = slices |> List.map _.Count
          Expect.allEqual (slices |> List.map _.GlobalCount) (int64 (List.sum counts)) "the global count"
          let starts = counts |> List.scan (+) 0 |> List.take counts.Length |> List.map int64
          Expect.equal (slices |> List.map _.FirstSample) starts "the first sample's place"
          List.collect samples slices ]

let private augmentations =
    [ create "shift" []; create "rotate" []; create "shift" [] ]

/// Lets a test wait for a loader's thread to end: the augmentation notes the thread it runs on.
let private watching () =
    let threads = HashSet<Thread>()

    let note =
        AugmentationFunction(fun _ _ source destination ->
            lock threads (fun () -> threads.Add Thread.CurrentThread |> ignore)
            source.CopyTo destination)

    threads, Augmentation("watch", note)

[<Tests>]
let tests =
    testList
        "Trainer.Data.BatchLoader"
        [ for world in 1..4 do
              for count, batch in [ 45, 8; 23, 8; 9, 8; 16, 8; 5, 64 ] do
                  test $"{count} samples in batches of {batch} over {world} ranks equal the plain computation" {
                      let set = setOf count

                      let perRank prepare =
                          [ for rank in 0 .. world - 1 -> List.ofSeq<Batch>(prepare rank) ]

                      let trained =
                          perRank (fun rank -> (loader set batch rank world augmentations).TrainEpoch(3, 0))

                      let inOrder =
                          perRank (fun rank -> (loader set batch rank world augmentations).InOrder())

                      let batches order sample =
                          order |> Array.chunkBySize batch |> Array.map (Array.map sample >> List.ofArray)

                      Expect.sequenceEqual
                          (together trained)
                          (batches (SampleOrder.OfEpoch(seed, 3, count)) (plain set augmentations 3))
                          "training"

                      Expect.sequenceEqual
                          (together inOrder)
                          (batches [| 0 .. count - 1 |] (plain set [] 0))
                          "validation"
                  }
          test "a batch that was disposed of lends its memory to a later one, and keeps it otherwise" {
              let whole =
                  (loader (setOf 64) 8 0 1 augmentations).TrainEpoch(2, 0)
                  |> Seq.map (fun batch ->
                      use used = batch
                      samples used)
                  |> List.ofSeq

              let kept = (loader (setOf 64) 8 0 1 augmentations).TrainEpoch(2, 0) |> List.ofSeq

              Expect.sequenceEqual (List.map samples kept) whole "the same samples"
          }
          test "bytes become numbers from 0 to 1, rounded once" {
              let bytes = Array.init 333 byte
              let numbers = Array.zeroCreate<float32> 333
              UnitPixels.From(ReadOnlySpan bytes, Span numbers)
              Expect.equal numbers [| for b in bytes -> float32 b / 255f |] "value/255"
          }
          test "an empty slice has empty arrays" {
              let batch = (loader (setOf 1) 8 2 3 []).InOrder() |> Seq.exactlyOne
              Expect.equal (batch.GlobalCount, batch.Count) (1L, 0) "counts"
              Expect.all batch.Inputs (fun pixels -> pixels.numel () = 0L) "pixels"
              Expect.isEmpty (classes batch) "classes"
              Expect.isEmpty (rows batch) "numbers"
          }
          test "skipped steps leave the others as they are" {
              let loader = loader (setOf 30) 8 0 2 augmentations
              let whole = loader.TrainEpoch(1, 0) |> Seq.map samples |> List.ofSeq

              for skip in 0..4 do
                  Expect.sequenceEqual (loader.TrainEpoch(1, skip) |> Seq.map samples) (List.skip skip whole) "the rest"
          }
          test "the number of steps counts the short batch" {
              Expect.equal
                  [ for count in [ 1; 8; 9 ] -> (loader (setOf count) 8 0 1 []).Steps ]
                  [ 1; 1; 2 ]
                  "rounded up"
          }
          test "what fails on the thread is thrown to the consumer, after the batches in front of it" {
              let fails =
                  AugmentationFunction(fun _ draws source destination ->
                      if draws.Row = CounterRandom.Row(0L, int64 (SampleOrder.OfEpoch(seed, 0, 30)[20])) then
                          raise (ArithmeticException "on the thread")

                      source.CopyTo destination)

              let received = ResizeArray()

              let batches =
                  (loader (setOf 30) 8 0 1 [ Augmentation("fails", fails) ]).TrainEpoch(0, 0)

              let failure = Expect.throwsC (fun () -> Seq.iter received.Add batches) id

              Expect.equal failure.Message "on the thread" "the thread's own exception"
              Expect.equal received.Count 2 "two batches of 8 in front of sample 20"
          }
          test "leaving the enumeration early ends the thread" {
              let threads, watch = watching ()

              (loader (setOf 1000) 8 0 1 [ watch ]).TrainEpoch(0, 0)
              |> Seq.take 3
              |> Seq.iter ignore

              let thread = Seq.exactlyOne threads
              Expect.notEqual thread Thread.CurrentThread "a thread of its own"
              Expect.isTrue (thread.Join(TimeSpan.FromSeconds 5.0)) "it ends"
          }
          test "batches that are not prepared ahead are the same, and prepared by whoever takes them" {
              let threads, watch = watching ()

              let taken isAhead augmentations =
                  BatchLoader(setOf 30, 8, 1, [| 1; 2 |], seed, augmentations, 8, null, isAhead).TrainEpoch(1, 1)
                  |> Seq.map samples
                  |> List.ofSeq

              Expect.equal (taken false augmentations) (taken true augmentations) "the same"
              taken false [ watch ] |> ignore
              Expect.equal (List.ofSeq threads) [ Thread.CurrentThread ] "no thread of their own"
          }
          test "no more than two batches wait ready" {
              let prepared = [| 0 |]

              let counts =
                  AugmentationFunction(fun _ _ source destination ->
                      Interlocked.Increment(&prepared[0]) |> ignore
                      source.CopyTo destination)

              use batches =
                  (loader (setOf 1000) 1 0 1 [ Augmentation("counts", counts) ]).TrainEpoch(0, 0).GetEnumerator()

              let reaches count =
                  SpinWait.SpinUntil((fun () -> Volatile.Read(&prepared[0]) >= count), TimeSpan.FromSeconds 5.0)

              Expect.isTrue (batches.MoveNext()) "a first batch"
              Expect.isTrue (reaches 8) "two images each of one taken, two ready, one waiting for a place"
              Expect.isFalse (SpinWait.SpinUntil((fun () -> Volatile.Read(&prepared[0]) > 8), 50)) "and no more"
          }
          test "a slice that is longer than allowed is refused" {
              let loader = BatchLoader(setOf 30, 8, 0, [| 1 |], seed, [], 7)

              Expect.throwsT<InvalidOperationException>
                  (fun () -> loader.InOrder() |> Seq.iter ignore)
                  "8 is more than 7"
          } ]
