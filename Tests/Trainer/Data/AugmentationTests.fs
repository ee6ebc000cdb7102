module CnnCluster.Tests.Trainer.Data.AugmentationTests

open System
open Expecto
open FsCheck
open CnnCluster.Kernels
open CnnCluster.Trainer.Data
open CnnCluster.Tests.Comparisons

let internal create name settings =
    let definition = Augmentations.All |> Seq.find (fun entry -> entry.Name = name)

    let defaults =
        [ for setting in definition.Settings -> setting.Name, setting.Default.GetValueOrDefault() ]

    definition.Create.Invoke(SettingValues(Map.ofList (defaults @ settings)))

let private shape = SampleShape(2, 7, 5)

let private sample =
    Array.init shape.Size (fun i -> float32 (CounterRandom.Uniform(RandomKey 9uL, 0uL, uint64 i)))

let private drawsOf (augmentation: Augmentation) seed epoch index =
    AugmentationDraws(
        AugmentationDraws.KeyOf(seed, augmentation.Name, 0, 0),
        CounterRandom.Row(int64 epoch, int64 index)
    )

let private applyAt (augmentation: Augmentation) seed epoch index =
    let destination = Array.create shape.Size nanf
    augmentation.Apply.Invoke(shape, drawsOf augmentation seed epoch index, ReadOnlySpan sample, Span destination)
    destination

/// A sample moved by whole pixels, element by element.
let private moved dx dy =
    Array.init shape.Size (fun i ->
        let plane, y, x = i / 35, i % 35 / 5 - dy, i % 5 - dx

        if x < 0 || x >= 5 || y < 0 || y >= 7 then
            0.0f
        else
            sample[plane * 35 + y * 5 + x])

let private mirrored =
    Array.init shape.Size (fun i -> sample[i - i % 5 + 4 - i % 5])

/// Every pixel from where `from` says, relative to the centre: each neighbour counts by its nearness along both axes.
let private resampled from =
    Array.init shape.Size (fun i ->
        let x, y = from (float (i % 5) - 2.0, float (i % 35 / 5) - 3.0)
        let near a b = max 0.0 (1.0 - abs (a - b))

        Seq.sum
            [ for row in 0..6 do
                  for column in 0..4 do
                      near (x + 2.0) (float column)
                      * near (y + 3.0) (float row)
                      * float sample[i / 35 * 35 + row * 5 + column] ])

let private close actual expected =
    Array.iter2 (fun a e -> Expect.floatClose Accuracy.medium (float (a: float32)) e "the pixel") actual expected

[<Tests>]
let tests =
    testList
        "Trainer.Data.Augmentation"
        [ test "the catalogue has every augmentation once" {
              Expect.sequenceEqual (Augmentations.All |> Seq.map _.Name) [ "shift"; "rotate"; "scale"; "flip" ] "names"
          }
          for name in [ "shift"; "rotate"; "scale"; "flip" ] do
              testProperty $"{name} is a pure function of seed, epoch and sample"
              <| fun (seed: uint64) (NonNegativeInt epoch) (NonNegativeInt index) ->
                  let augmentation = create name []
                  let once = applyAt augmentation seed epoch index
                  Expect.equal (applyAt augmentation seed epoch index) once "the same again"
                  Expect.all once Single.IsFinite "every element written"

              test $"{name} differs between samples, epochs and seeds" {
                  let augmentation = create name []

                  for results in
                      [ [ for i in 0..40 -> applyAt augmentation 1uL 0 i ]
                        [ for i in 0..40 -> applyAt augmentation 1uL i 0 ]
                        [ for i in 0..40 -> applyAt augmentation (uint64 i) 0 0 ] ] do
                      Expect.isGreaterThan (List.distinct results).Length 1 "not always the same"
              }
          for name, setting in [ "shift", "pixels"; "rotate", "degrees"; "scale", "by" ] do
              test $"{name} by 0 leaves the sample as it is" {
                  for index in 0..20 do
                      Expect.equal (applyAt (create name [ setting, 0.0 ]) 1uL 2 index) sample "the identity"
              }
          test "shift draws every whole distance within its range, and no other" {
              let possible =
                  Set
                      [ for dx in -1 .. 1 do
                            for dy in -1 .. 1 -> moved dx dy ]

              let drawn =
                  Set [ for index in 0..300 -> applyAt (create "shift" [ "pixels", 1.0 ]) 1uL 0 index ]

              Expect.equal drawn possible "nine ways"
          }
          test "shift by more than the sample's size leaves nothing or a part, and never fails" {
              for index in 0..100 do
                  Expect.all (applyAt (create "shift" [ "pixels", 20.0 ]) 1uL 0 index) Single.IsFinite "numbers"
          }
          test "flip draws the sample and its mirror image about equally often" {
              let drawn = [ for index in 0..999 -> applyAt (create "flip" []) 1uL 0 index ]
              Expect.equal (Set drawn) (Set [ sample; mirrored ]) "nothing else"
              let flipped = drawn |> List.filter ((=) mirrored) |> List.length
              Expect.isTrue (flipped > 430 && flipped < 570) $"{flipped} of 1000, within 4.4 standard deviations"
          }
          test "rotate turns about the centre by the angle drawn" {
              let rotate = create "rotate" [ "degrees", 180.0 ]

              for index in 0..20 do
                  let angle = (drawsOf rotate 1uL 0 index).Between(-180.0, 180.0) * Math.PI / 180.0

                  let back (x, y) =
                      x * cos angle + y * sin angle, y * cos angle - x * sin angle

                  close (applyAt rotate 1uL 0 index) (resampled back)
          }
          test "scale zooms about the centre by the factor drawn" {
              let scale = create "scale" [ "by", 0.8 ]

              for index in 0..20 do
                  let factor = (drawsOf scale 1uL 0 index).Between(0.2, 1.8)
                  close (applyAt scale 1uL 0 index) (resampled (fun (x, y) -> x / factor, y / factor))
          } ]
