/// Fixed kernels and pooling of an image through the command, pixel by pixel against plain loops.
module CnnCluster.Tests.Cli.ApplyTests

open System.IO
open System.Text.Json.Nodes
open Expecto
open SkiaSharp
open CnnCluster.Tests
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Trainer.Images.Pictures
open CnnCluster.Trainer.Storage

let private picture = [ for channel in 0..2 -> draw 45 62 channel ]

let private gaussian =
    array2D [ [ 1.0; 2.0; 1.0 ]; [ 2.0; 4.0; 2.0 ]; [ 1.0; 2.0; 1.0 ] ]
    |> Array2D.map (fun weight -> weight / 16.0)

let private edge =
    array2D [ [ -1.0; -1.0; -1.0 ]; [ -1.0; 8.0; -1.0 ]; [ -1.0; -1.0; -1.0 ] ]

let private example name = Repository.file $"examples/{name}"

/// Runs the command where an image lies, and gives what it said and the folder's files by name.
let private applied folder arguments =
    let result: Cnn.Result = Cnn.run folder ("apply" :: arguments)
    Expect.equal result.ExitCode 0 result.Error
    result

let private pixelsOf folder name = read (Path.Combine(folder, name))

/// Every channel of the file has the pixels that were computed; of one alone, all channels have them.
let private shows folder name (expected: float[,] list) =
    for i, plane in List.indexed (pixelsOf folder name) do
        Expect.isNone (firstWrong expected[i % expected.Length] plane) $"{name}, channel {i}"

let private png, jpeg = SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg

/// An example and its options, files to apply it to, and what a plain loop makes of their planes.
let private cases =
    let units = List.map unit

    [ "blur: a Gaussian of 3x3 at stride 1",
      "blur.cnn",
      [],
      [ png; jpeg ],
      (fun planes -> [ correlate gaussian 1 1 (luma planes) ])
      "blur of colours, channel by channel", "blur-colour.cnn", [], [ png ], units >> List.map (correlate gaussian 1 1)
      "contours: 3x3 at stride 2, without their sign",
      "edges.cnn",
      [ "--range"; "abs" ],
      [ jpeg ],
      (fun planes -> [ correlate edge 2 0 (luma planes) |> Array2D.map abs ])
      "contours: grey where there are none",
      "edges.cnn",
      [ "--range"; "-8..8" ],
      [ png ],
      (fun planes -> [ correlate edge 2 0 (luma planes) |> Array2D.map (fun z -> (z + 8.0) / 16.0) ])
      "average pooling", "pooling.cnn", [ "--output"; "averaged" ], [ jpeg ], units >> List.map (pool 2 2 List.average)
      "max pooling, the window larger than its stride",
      "pooling.cnn",
      [ "--output"; "spread" ],
      [ png ],
      units >> List.map (pool 9 4 List.max) ]

let private pictures =
    testList
        "pictures"
        [ for name, script, options, formats, expected in cases do
              for format in formats do
                  test $"{name}, of a {format}" {
                      Cnn.inFolder (fun folder ->
                          let image = write folder "picture" format picture

                          applied folder ([ example script; image; "--out"; "out.png" ] @ options)
                          |> ignore

                          shows folder "out.png" (expected (read image)))
                  } ]

let private maps =
    "network Maps {\n    input ?x?x3\n    conv 6 3 stride=2 as maps\n    output maps\n    maxpool 2\n    output pooled\n}\n"

let private tiny =
    "network Copy {\n    input ?x?x1\n    conv 1 3 pad=same\n}\n\ntrain Copy {\n    data digits train=64 test=32\n    loss mse target=input\n    optimizer sgd lr=0.1\n    batch 16\n    epochs 1\n}\n"

let private behaviour =
    testList
        "behaviour"
        [ test "the line says what was written, its shape and its numbers; the name comes from image and network" {
              Cnn.inFolder (fun folder ->
                  let image =
                      write folder "flat.png" SKEncodedImageFormat.Png [ Array2D.create 9 11 51 ]

                  let result = applied folder [ example "blur.cnn"; image ]
                  // Corners see four ninths of the window, but 9/16 of its weight.
                  Expect.equal result.Output "flat-Blur.png: 9x11x1, from 0.1125 to 0.2\n" "line"
                  Expect.equal result.Error "" "no warning: there are no trained weights"
                  Expect.isTrue (File.Exists(Path.Combine(folder, "flat-Blur.png"))) "in this folder")
          }
          test "--json says the same in JSON, and how much was cut off" {
              Cnn.inFolder (fun folder ->
                  let image = write folder "a.webp" SKEncodedImageFormat.Webp picture

                  let result =
                      applied folder [ example "edges.cnn"; image; "--json"; "--out"; "b.PNG" ]

                  let said = JsonNode.Parse result.Output
                  let expected = correlate edge 2 0 (luma (read image)) |> Seq.cast<float>
                  Expect.equal (string said["file"]) "b.PNG" "file"
                  Expect.equal [ for side in said["output"].AsArray() -> int side ] [ 22; 30; 1 ] "output"
                  Expect.floatClose Accuracy.medium (float said["minimum"]) (Seq.min expected) "minimum"
                  Expect.floatClose Accuracy.medium (float said["maximum"]) (Seq.max expected) "maximum"

                  let beyond =
                      expected |> Seq.filter (fun z -> z < -0.00196 || z > 1.00196) |> Seq.length

                  Expect.floatClose Accuracy.medium (float said["cut_off"]) (float beyond / 660.0) "cut off")
          }
          test "untrained weights are those of a seed, and a warning says so; feature maps are seen side by side" {
              Cnn.inFolder (fun folder ->
                  let image = write folder "a.png" SKEncodedImageFormat.Png picture
                  let script = Cnn.write folder "maps.cnn" maps

                  let run options =
                      applied folder ([ script; image; "--output"; "maps" ] @ options)

                  let first = run [ "--out"; "1.png"; "--range"; "stretch" ]
                  Expect.stringContains first.Error "168 untrained weights, the initial ones of seed 42" "warning"
                  run [ "--out"; "2.png"; "--range"; "stretch"; "--seed"; "43" ] |> ignore
                  let sheet = pixelsOf folder "1.png"
                  Expect.equal (height sheet.Head, width sheet.Head) (2 * 24 - 2, 3 * 32 - 2) "two rows of three"
                  Expect.notEqual (pixelsOf folder "2.png") sheet "another seed")
          }
          test "a run's folder stands for its script and its weights, and --weights for those of a file" {
              Cnn.inFolder (fun folder ->
                  let script = Cnn.write folder "copy.cnn" tiny
                  let image = write folder "a.png" SKEncodedImageFormat.Png picture
                  let run = Cnn.run folder [ "train"; script; "--json"; "--out"; "run" ]
                  Expect.equal run.ExitCode 0 run.Error
                  let weights = Path.Combine(folder, "run/checkpoints/final.safetensors")
                  let file = SafetensorsFile.Open weights
                  let kernel = file.ReadFloat32 "conv1/kernel"
                  let bias = float (file.ReadFloat32 "conv1/bias").[0]

                  let expected =
                      correlate (Array2D.init 3 3 (fun l m -> float kernel[3 * l + m])) 1 1 (luma picture)
                      |> Array2D.map (fun z -> z + bias)

                  let ofRun = applied folder [ "run"; image; "--out"; "run.png" ]
                  Expect.equal ofRun.Error "" "no warning"
                  shows folder "run.png" [ expected ]

                  applied folder [ script; image; "--weights"; weights; "--out"; "file.png" ]
                  |> ignore

                  Expect.equal (pixelsOf folder "file.png") (pixelsOf folder "run.png") "the same weights")
          }
          test "--resize scales the image to the size that the script fixes" {
              Cnn.inFolder (fun folder ->
                  let image = write folder "a.png" SKEncodedImageFormat.Png picture

                  let script =
                      Cnn.write folder "fixed.cnn" "network F {\n    input 20x16x3\n    maxpool 2\n}\n"

                  let result = applied folder [ script; image; "--resize" ]
                  Expect.stringStarts result.Output "a-F.png: 10x8x3" "shape")
          } ]

/// Arguments behind `apply`, and what the error must hold.
let private mistakes =
    [ [ "absent.cnn"; "a.png" ], "absent.cnn cannot be read"
      [ "blur.cnn"; "half.png" ], "half.png: the image is cut off"
      [ "wrong.cnn"; "a.png" ], "wrong.cnn:3:5: error"
      [ "large.cnn"; "a.png" ], "large.cnn:3:12: error: a window of 63 does not fit"
      [ "fixed.cnn"; "a.png" ], "a.png is 45x62 (height x width), but the network 'F' takes 20x16x3"
      [ "tall.cnn"; "a.png"; "--resize" ], "a.png is too large scaled to 900000000x1"
      [ "maps.cnn"; "a.png" ], "--output takes maps or pooled"
      [ "blur.cnn"; "a.png"; "--channel"; "2" ], "--channel takes a number from 1 to 1"
      [ "blur.cnn"; "a.png"; "--range"; "half" ], "--range takes clip"
      [ "blur.cnn"; "a.png"; "--out"; "b.jpg" ], "must end in .png"
      [ "blur.cnn"; "a.png"; "--out"; "./a.png" ], "is the image itself"
      [ "."; "a.png" ], "is not the folder of a run"
      [ "blur.cnn" ], "Required argument missing" ]

let private wrong (folder: string) =
    let image = write folder "a.png" SKEncodedImageFormat.Png picture
    let bytes = File.ReadAllBytes image
    File.WriteAllBytes(Path.Combine(folder, "half.png"), Array.take (bytes.Length / 2) bytes)

    for name, body in
        [ "blur", "input ?x?x1\n    conv kernel=gaussian pad=same"
          "wrong", "input ?x?x1\n    cnov kernel=gaussian"
          "large", "input ?x?x1\n    conv 1 63x3"
          "fixed", "input 20x16x3\n    maxpool 2"
          "tall", "input 900000000x1x1\n    maxpool 10000x1" ] do
        let network = name.Substring(0, 1).ToUpperInvariant()

        Cnn.write folder $"{name}.cnn" $"network {network} {{\n    {body}\n}}\n"
        |> ignore

    Cnn.write folder "maps.cnn" maps |> ignore

let private refusals =
    testList
        "mistakes"
        [ for arguments, expected in mistakes do
              let line = String.concat " " arguments

              test $"cnn apply {line}" {
                  Cnn.inFolder (fun folder ->
                      wrong folder
                      let before = Directory.GetFiles folder |> Array.map File.ReadAllBytes
                      let result = Cnn.run folder ("apply" :: arguments)
                      Expect.equal (result.ExitCode, result.Output.Contains ".png:") (2, false) result.Error
                      Expect.stringContains result.Error expected "the message"
                      Expect.isFalse (result.Error.Contains "   at ") $"no stack trace: {result.Error}"

                      Expect.equal
                          (Directory.GetFiles folder |> Array.map File.ReadAllBytes)
                          before
                          "nothing is written")
              } ]

[<Tests>]
let tests = testList "Cli.apply" [ pictures; behaviour; refusals ]
