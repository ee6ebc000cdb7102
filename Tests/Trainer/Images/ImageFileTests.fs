module CnnCluster.Tests.Trainer.Images.ImageFileTests

open System
open System.IO
open Expecto
open SkiaSharp
open CnnCluster.Trainer.Images
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Tests.Trainer.Images.Pictures

let private picture = [ for channel in 0..2 -> draw 13 17 channel ]

/// What is read from these bytes.
let private readBytes (bytes: byte[]) =
    inFolder (fun folder ->
        let path = Path.Combine(folder, "image")
        File.WriteAllBytes(path, bytes)
        ImageFile.Read path)

let private refused bytes message =
    Expect.stringContains (refusal (fun () -> readBytes bytes)) message "the message"

let private planesOf (image: PixelImage) =
    [ for channel in 0 .. image.Channels - 1 ->
          let values = image.Plane(channel).ToArray()
          Array2D.init image.Height image.Width (fun y x -> float values[y * image.Width + x]) ]

let private sees (expected: float[,] list) (image: PixelImage) =
    for expected, actual in List.zip expected (planesOf image) do
        for y in 0 .. Array2D.length1 expected - 1 do
            for x in 0 .. Array2D.length2 expected - 1 do
                Expect.floatClose Accuracy.medium actual[y, x] expected[y, x] $"({y}, {x})"

/// Puts the Exif tag for the orientation into a JPEG file, behind its first marker.
let private turned (orientation: byte) (jpeg: byte[]) =
    let exif =
        [| yield! [| 0xffuy; 0xe1uy; 0uy; 34uy |]
           yield! "Exif\000\000MM\000*\000\000\000\008"B
           yield! [| 0uy; 1uy; 0x01uy; 0x12uy; 0uy; 3uy; 0uy; 0uy; 0uy; 1uy; 0uy; orientation; 0uy; 0uy |]
           yield! Array.zeroCreate 4 |]

    Array.concat [ Array.take 2 jpeg; exif; Array.skip 2 jpeg ]

/// Four corners of levels far apart, 16 pixels high and 24 wide: none is moved by the losses of JPEG.
let private corners =
    let levels = array2D [ [ 10; 90 ]; [ 170; 250 ] ]
    Array2D.init 16 24 (fun y x -> levels[y / 8, x / 12])

/// The corners from the upper left, row by row, as an orientation shows them (Exif 3.0, tag 274).
let private shown =
    [ 1uy, (16, 24), [ 10; 90; 170; 250 ]
      2uy, (16, 24), [ 90; 10; 250; 170 ]
      3uy, (16, 24), [ 250; 170; 90; 10 ]
      4uy, (16, 24), [ 170; 250; 10; 90 ]
      5uy, (24, 16), [ 10; 170; 90; 250 ]
      6uy, (24, 16), [ 170; 10; 250; 90 ]
      7uy, (24, 16), [ 250; 90; 170; 10 ]
      8uy, (24, 16), [ 90; 250; 10; 170 ] ]

/// A bitmap file's header without its pixels.
let private bmpHeader (width: int) (height: int) =
    use memory = new MemoryStream()
    use writer = new BinaryWriter(memory)
    writer.Write "BM"B

    for number in [ 1 <<< 30; 0; 54; 40; width; height ] do
        writer.Write number

    writer.Write 1s
    writer.Write 24s

    for _ in 1..6 do
        writer.Write 0

    writer.Flush()
    memory.ToArray()

[<Tests>]
let tests =
    testList
        "Trainer.Images.ImageFile"
        [ for format in [ SKEncodedImageFormat.Png; SKEncodedImageFormat.Webp ] do
              test $"{format}: colours are read level by level, from 0 to 1" {
                  // Of WebP, Skia's quality of 100 is lossy: what its own decoder sees is what counts.
                  inFolder (fun folder ->
                      let path = write folder "picture" format picture
                      sees [ for plane in read path -> unit plane ] (ImageFile.Read path))
              }
          test "a JPEG is read as Skia decodes it" {
              inFolder (fun folder ->
                  let path = write folder "picture.jpg" SKEncodedImageFormat.Jpeg picture
                  sees [ for plane in read path -> unit plane ] (ImageFile.Read path))
          }
          test "what is transparent is seen over white" {
              for alpha in [ 0; 51; 128; 255 ] do
                  let share = float alpha / 255.0

                  let expected =
                      [ for plane in picture -> unit plane |> Array2D.map (fun level -> share * level + 1.0 - share) ]

                  sees expected (readBytes (encodeOver alpha SKEncodedImageFormat.Png picture))
          }
          test "grey is the luma of BT.601, and grey pixels keep their level exactly" {
              sees [ luma picture ] ((readBytes (encode SKEncodedImageFormat.Png picture)).Grey())
              let ramp = Array2D.init 1 256 (fun _ x -> x)

              let grey = (readBytes (encode SKEncodedImageFormat.Png [ ramp ])).Grey().Values

              Expect.equal grey [| for level in 0..255 -> float32 (float level / 255.0) |] "levels"
          }
          for orientation, (height, width), levels in shown do
              test $"a JPEG of orientation {orientation} is turned upright" {
                  let image =
                      readBytes (turned orientation (encode SKEncodedImageFormat.Jpeg [ corners ]))

                  Expect.equal (image.Height, image.Width) (height, width) "size"

                  let seen =
                      [ for y, x in List.allPairs [ 2; height - 3 ] [ 2; width - 3 ] ->
                            int (round (255.0f * image.Values[y * width + x])) ]

                  for seen, level in List.zip seen levels do
                      Expect.isLessThan (abs (seen - level)) 6 $"{levels}"
              }
          test "what is written is read again" {
              inFolder (fun folder ->
                  for channels in [ 1; 3 ] do
                      let path = Path.Combine(folder, $"{channels}.png")
                      let planes = List.take channels picture

                      let bytes =
                          [| for plane in planes do
                                 for level in Seq.cast<int> plane -> byte level |]

                      ImageFile.WritePng(path, Raster.Of(channels, 13, 17, bytes))
                      let again = read path
                      Expect.equal again [ for channel in 0..2 -> planes[channel % channels] ] $"{channels} channels"
                      // Byte 25 of a PNG is its colour type: 0 is grey, 2 red, green and blue.
                      Expect.equal (File.ReadAllBytes path).[25] (if channels = 1 then 0uy else 2uy) "colour type")
          }
          test "what is no image, is cut off, or too large, is refused" {
              let png =
                  encode SKEncodedImageFormat.Png [ for channel in 0..2 -> draw 60 60 channel ]

              refused [||] "no image that can be read"
              refused "network A { input 4 }"B "no image that can be read"
              refused (Array.take (png.Length / 2) png) "the image is cut off"
              refused (bmpHeader 20000 20000) "20000x20000 (height x width), more than the 100 million"
          }
          test "a file that is not there, or a folder, is refused by its path" {
              inFolder (fun folder ->
                  for path in [ folder; Path.Combine(folder, "absent.png") ] do
                      Expect.stringStarts (refusal (fun () -> ImageFile.Read path)) path "the path")
          }
          test "a place that cannot be written is the user's to put right" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "absent", "a.png")

                  let message =
                      refusal (fun () -> ImageFile.WritePng(path, Raster(1, 1, 1, [| 0uy |])))

                  Expect.stringContains message $"{path} cannot be written" "the message")
          } ]
