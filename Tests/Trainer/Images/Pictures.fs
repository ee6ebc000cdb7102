/// Pictures drawn for the tests, files of them, and what a plain loop makes of them.
module CnnCluster.Tests.Trainer.Images.Pictures

open System
open System.IO
open Expecto
open SkiaSharp
open CnnCluster.Kernels
open CnnCluster.Trainer

/// The levels of one channel, rows from above.
type Plane = int[,]

let height (plane: Plane) = Array2D.length1 plane
let width (plane: Plane) = Array2D.length2 plane

/// A slope, a disc, a bar and noise; every channel has them at other places.
let draw (height: int) (width: int) channel : Plane =
    let key = RandomKey.Of(11UL, RandomPurpose.GeneratedData, "picture")

    Array2D.init height width (fun y x ->
        let slope = 150.0 * float (x + channel * y) / float (width + channel * height)
        let centre = float (width / 3 + 4 * channel)
        let away = (float x - centre) ** 2.0 + float (y - height / 2) ** 2.0
        let disc = if away < 36.0 then 90.0 else 0.0
        let bar = if x > width - 5 - channel && y % 7 < 3 then -60.0 else 0.0

        let noise =
            12.0 * CounterRandom.Uniform(key, uint64 channel, uint64 (y * width + x))

        int (Math.Clamp(slope + disc + bar + noise, 0.0, 255.0)))

let private colour (planes: Plane list) (alpha: int) y x =
    let level channel =
        byte planes[channel % planes.Length].[y, x]

    SKColor(level 0, level 1, level 2, byte alpha)

let private bitmap alpha (planes: Plane list) =
    let size =
        SKImageInfo(width planes.Head, height planes.Head, SKColorType.Rgba8888, SKAlphaType.Unpremul)

    let bitmap = new SKBitmap(size)

    for y in 0 .. size.Height - 1 do
        for x in 0 .. size.Width - 1 do
            bitmap.SetPixel(x, y, colour planes alpha y x)

    bitmap

/// A picture as a file's bytes: one plane for grey, three for colours.
let encodeOver alpha (format: SKEncodedImageFormat) planes =
    use bitmap = bitmap alpha planes
    use data = bitmap.Encode(format, 100)
    data.ToArray()

let encode format planes = encodeOver 255 format planes

let write (folder: string) name format planes =
    let path = Path.Combine(folder, name)
    File.WriteAllBytes(path, encode format planes)
    path

/// A file's three planes as Skia's own decoder sees them.
let read (path: string) : Plane list =
    use bitmap = SKBitmap.Decode path

    let plane (level: SKColor -> byte) =
        Array2D.init bitmap.Height bitmap.Width (fun y x -> int (level (bitmap.GetPixel(x, y))))

    [ plane _.Red; plane _.Green; plane _.Blue ]

/// From 0 to 1, as networks see a channel.
let unit (plane: Plane) =
    plane |> Array2D.map (fun level -> float level / 255.0)

/// 0.299·R + 0.587·G + 0.114·B.
let luma (planes: Plane list) =
    Array2D.init (height planes[0]) (width planes[0]) (fun y x ->
        (0.299 * float planes[0].[y, x]
         + 0.587 * float planes[1].[y, x]
         + 0.114 * float planes[2].[y, x])
        / 255.0)

/// Σ kernel[l, m]·image[i·s + l − p, j·s + m − p], nothing beyond the edges.
let correlate (kernel: float[,]) stride padding (image: float[,]) =
    let k = Array2D.length1 kernel
    let sides = Array2D.length1 image, Array2D.length2 image

    let outputs side = (side - k + 2 * padding) / stride + 1

    Array2D.init (outputs (fst sides)) (outputs (snd sides)) (fun i j ->
        let mutable sum = 0.0

        for l in 0 .. k - 1 do
            for m in 0 .. k - 1 do
                let y, x = i * stride + l - padding, j * stride + m - padding

                if y >= 0 && y < fst sides && x >= 0 && x < snd sides then
                    sum <- sum + kernel[l, m] * image[y, x]

        sum)

/// What a function makes of each window of k x k, all of which lie within the image.
let pool k stride (choose: float list -> float) (image: float[,]) =
    let outputs side = (side - k) / stride + 1

    Array2D.init (outputs (Array2D.length1 image)) (outputs (Array2D.length2 image)) (fun i j ->
        choose
            [ for l in 0 .. k - 1 do
                  for m in 0 .. k - 1 -> image[i * stride + l, j * stride + m] ])

/// The first pixel that is not the level nearest to what was computed, if there is one. Rounding of float32 may choose
/// either of two levels that are equally near.
let firstWrong (expected: float[,]) (plane: Plane) =
    if
        (Array2D.length1 expected, Array2D.length2 expected)
        <> (height plane, width plane)
    then
        Some $"{height plane}x{width plane} instead of {Array2D.length1 expected}x{Array2D.length2 expected}"
    else
        Seq.allPairs (seq { 0 .. height plane - 1 }) (seq { 0 .. width plane - 1 })
        |> Seq.tryPick (fun (y, x) ->
            let level = Math.Clamp(255.0 * expected[y, x], 0.0, 255.0)

            if abs (level - float plane[y, x]) > 0.501 then
                Some $"({y}, {x}): {plane[y, x]} instead of {level}"
            else
                None)

/// What a user is told of a mistake.
let refusal (act: unit -> 'a) =
    try
        act () |> ignore
        failtest "it was not refused"
    with :? UserException as error ->
        error.Message
