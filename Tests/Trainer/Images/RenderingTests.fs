/// How numbers become pixels: ranges, channels, sheets, sizes.
module CnnCluster.Tests.Trainer.Images.RenderingTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Trainer.Images
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Images.Pictures

let private levels (range: string) (values: float list) =
    let struct (pixels, cutOff) =
        (PixelRange.Parse range).Apply(ReadOnlySpan [| for value in values -> float32 value |])

    [ for pixel in pixels -> int pixel ], cutOff

let private ranges =
    testList
        "range"
        [ test "clip: 0 is black and 1 white, the nearest level between, halves up" {
              let values = [ 0.0; 1.0; 0.5; 100.4 / 255.0; 100.6 / 255.0; -0.001; 1.001 ]
              Expect.equal (levels "clip" values) ([ 0; 255; 128; 100; 101; 0; 255 ], 0L) "levels"
          }
          test "clip: what lies beyond is cut off, and counted" {
              Expect.equal (levels "clip" [ -3.0; 0.25; 1.1; 7.0 ]) ([ 0; 64; 255; 255 ], 3L) "levels"
          }
          test "abs: the sign does not count" {
              Expect.equal (levels "abs" [ -1.0; -0.4; 0.4; -2.0 ]) ([ 255; 102; 102; 255 ], 1L) "levels"
          }
          test "stretch: the least is black, the greatest white, and one number alone is black" {
              Expect.equal (levels "stretch" [ -3.0; 1.0; 0.0; -1.0 ]) ([ 0; 255; 191; 128 ], 0L) "levels"
              Expect.equal (levels "stretch" [ 0.7; 0.7 ]) ([ 0; 0 ], 0L) "one number"
          }
          test "BLACK..WHITE: from the one to the other, backwards too" {
              Expect.equal (levels "-1..1" [ -1.0; 0.0; 1.0; 1.5 ]) ([ 0; 128; 255; 255 ], 1L) "between"
              Expect.equal (levels "1..0" [ 0.0; 0.2; 1.0 ]) ([ 255; 204; 0 ], 0L) "a negative"
              Expect.equal (levels "0..2.55e2" [ 7.0; 200.0 ]) ([ 7; 200 ], 0L) "levels themselves"
          }
          for text in [ "clap"; ""; "1"; "0..0"; "a..b"; "0..NaN"; "0..∞"; "0..1..2" ] do
              test $"'{text}' is no range" {
                  Expect.stringContains (refusal (fun () -> PixelRange.Parse text)) "--range takes clip" "the message"
              } ]

/// Channel c of a small image holds the number c/10 alone, with c/10 + 0.05 in its last place.
let private channels count =
    let plane c =
        [| for i in 0..5 -> float32 c / 10.0f + (if i = 5 then 0.05f else 0.0f) |]

    PixelImage(count, 2, 3, Array.collect plane [| 0 .. count - 1 |])

let private render choice image =
    (ChannelChoice.Parse(choice, (image: PixelImage).Channels)).Render(image, PixelRange.Parse "0..2.55")

let private at (raster: Raster) y x =
    [ for channel in 0 .. raster.Channels - 1 -> int raster.Pixels[(y * raster.Width + x) * raster.Channels + channel] ]

let private shown =
    testList
        "channels"
        [ test "one channel is grey, three are colours" {
              let grey = (render null (channels 1)).Raster
              Expect.equal (grey.Channels, grey.Height, grey.Width) (1, 2, 3) "grey"
              let colour = (render null (channels 3)).Raster
              Expect.equal (colour.Channels, colour.Height, colour.Width) (3, 2, 3) "colour"
              Expect.equal (at colour 0 0, at colour 1 2) ([ 0; 10; 20 ], [ 5; 15; 25 ]) "pixels"
          }
          for count, columns, rows in [ 2, 2, 1; 4, 2, 2; 5, 3, 2; 10, 4, 3 ] do
              test $"{count} channels are seen beside each other, {columns} in a row, with white between" {
                  let sheet = (render null (channels count)).Raster

                  Expect.equal (sheet.Channels, sheet.Height, sheet.Width) (1, rows * 4 - 2, columns * 5 - 2) "size"

                  for y in 0 .. sheet.Height - 1 do
                      for x in 0 .. sheet.Width - 1 do
                          let channel = y / 4 * columns + x / 5
                          let inside = y % 4 < 2 && x % 5 < 3 && channel < count
                          let last = y % 4 = 1 && x % 5 = 2
                          let level = 10 * channel + (if last then 5 else 0)
                          Expect.equal (at sheet y x) [ (if inside then level else 255) ] $"({y}, {x})"
              }
          test "all: three channels, or one, each by itself" {
              Expect.equal (render "all" (channels 3)).Raster.Channels 1 "grey"
              Expect.equal (render "all" (channels 3)).Raster.Width 8 "two in a row"
              Expect.equal (render "all" (channels 1)).Raster.Width 3 "nothing beside it"
          }
          test "a number picks one, from 1, and the range is its own" {
              let one = render "3" (channels 5)
              Expect.equal (at one.Raster 0 0, at one.Raster 1 2) ([ 20 ], [ 25 ]) "pixels"
              Expect.equal (one.Least, one.Greatest, one.CutOff) (0.2f, 0.25f, 0.0) "numbers"
          }
          for text in [ "0"; "6"; "-1"; "two"; "" ] do
              test $"of five channels there is no '{text}'" {
                  Expect.stringContains
                      (refusal (fun () -> ChannelChoice.Parse(text, 5)))
                      "a number from 1 to 5"
                      "the message"
              }
          test "a sheet that would be too large names the way out" {
              Expect.stringContains
                  (refusal (fun () -> Raster.Sheet(10000, 1000, 1000, [||])))
                  "--channel N picks one"
                  "the message"
          } ]

// ---- sizes ----

/// Each pixel as the mean of all others, weighted by their distance along both axes.
let private resized (image: float[,]) height width =
    let weight length wanted place other =
        let scale = float length / float wanted
        let apart = abs (float other + 0.5 - (float place + 0.5) * scale)
        max 0.0 (1.0 - apart / max scale 1.0)

    Array2D.init height width (fun y x ->
        let weighed =
            [ for i in 0 .. Array2D.length1 image - 1 do
                  for j in 0 .. Array2D.length2 image - 1 do
                      let w =
                          weight (Array2D.length1 image) height y i
                          * weight (Array2D.length2 image) width x j

                      w, w * image[i, j] ]

        List.sumBy snd weighed / List.sumBy fst weighed)

let private genSizes = Gen.choose (1, 12) |> Gen.four

let private resizes (height, width, newHeight, newWidth) =
    let planes = [ for channel in 0..1 -> unit (draw height width channel) ]

    let values =
        [| for plane in planes do
               for value in Seq.cast<float> plane -> float32 value |]

    let result =
        ImageResizing.To(PixelImage(2, height, width, values), newHeight, newWidth)

    Expect.equal (result.Channels, result.Height, result.Width) (2, newHeight, newWidth) "shape"

    for channel, plane in List.indexed planes do
        let expected = resized plane newHeight newWidth |> Seq.cast<float>

        for expected, actual in Seq.zip expected (result.Plane(channel).ToArray()) do
            Expect.isLessThan (abs (float actual - expected)) 1e-6 "pixel"

let private sizes =
    testList
        "size"
        [ testPropertyWithConfig
              { FsCheckConfig.defaultConfig with
                  maxTest = 60 }
              "each pixel is the mean under a triangle along both axes"
              (Prop.forAll (Arb.fromGen genSizes) resizes)
          test "the own size keeps every pixel" {
              let image = PixelImage(1, 5, 7, [| for i in 1..35 -> float32 i / 35.0f |])
              Expect.equal (ImageResizing.To(image, 5, 7)).Values image.Values "pixels"
          } ]

[<Tests>]
let tests = testList "Trainer.Images.Rendering" [ ranges; shown; sizes ]
