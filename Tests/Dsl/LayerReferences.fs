/// Layers written as nested loops over float64 arrays, to check the real ones against.
module CnnCluster.Tests.Dsl.LayerReferences

open TorchSharp

/// An array of any rank, elements in the order of the last axis first.
type NdArray = { Dims: int list; Data: float[] }

let rec private places dims =
    match dims with
    | [] -> [ [] ]
    | first :: rest ->
        let inner = places rest

        [ for i in 0 .. first - 1 do
              for others in inner -> i :: others ]

let private offset dims place =
    List.fold2 (fun sum dim i -> sum * dim + i) 0 dims place

let at array place = array.Data[offset array.Dims place]

let tabulate dims value =
    { Dims = dims
      Data = places dims |> List.map value |> Array.ofList }

/// A float64 tensor's elements.
let values (tensor: torch.Tensor) =
    if tensor.numel () = 0L then
        [||]
    else
        tensor.detach().contiguous().data<float>().ToArray()

let ofTensor (tensor: torch.Tensor) =
    { Dims = [ for d in tensor.shape -> int d ]
      Data = values tensor }

/// A window's geometry, an axis each; `Before` and `After` are the padding.
type Geometry =
    { Kernel: int list
      Stride: int list
      Dilation: int list
      Before: int list
      After: int list }

let private extent geometry =
    List.map2 (fun k d -> (k - 1) * d + 1) geometry.Kernel geometry.Dilation

/// Output sides by counting: the places at which the whole window lies within the padded side.
let outputSides geometry (sides: int list) =
    [ for axis in 0 .. sides.Length - 1 do
          let padded = sides[axis] + geometry.Before[axis] + geometry.After[axis]

          Seq.initInfinite (fun i -> i * geometry.Stride[axis] + (extent geometry)[axis])
          |> Seq.takeWhile (fun last -> last <= padded)
          |> Seq.length ]

/// TensorFlow's SAME: ⌈side/stride⌉ outputs, the odd pixel of padding behind.
let samePadding geometry (sides: int list) =
    let totals =
        List.zip3 sides geometry.Stride (extent geometry)
        |> List.map (fun (side, stride, extent) ->
            let outputs = int (ceil (float side / float stride))
            max 0 ((outputs - 1) * stride + extent - side))

    { geometry with
        Before = totals |> List.map (fun total -> total / 2)
        After = totals |> List.map (fun total -> total - total / 2) }

/// The input's places under the window at an output's place, each with its place in the kernel; padding is left out.
let private covered geometry sides output =
    [ for k in places geometry.Kernel do
          let start =
              List.map3 (fun o s p -> o * s - p) output geometry.Stride geometry.Before

          let place = List.map3 (fun first l d -> first + l * d) start k geometry.Dilation

          if List.forall2 (fun i side -> i >= 0 && i < side) place sides then
              k, place ]

/// z[n, f, i] = Σ w[f, c, l]·x[n, g + c, i·s + l·d − p] + b[f]
let convolve geometry groups (x: NdArray) (kernel: NdArray) (bias: NdArray) =
    let sides = List.skip 2 x.Dims
    let filters, depth = kernel.Dims[0], kernel.Dims[1]

    tabulate (x.Dims[0] :: filters :: outputSides geometry sides) (fun place ->
        let n, f, output = place[0], place[1], List.skip 2 place
        let first = f / (filters / groups) * depth
        let under = covered geometry sides output

        bias.Data[f]
        + List.sum
            [ for c in 0 .. depth - 1 do
                  for k, i in under -> at kernel (f :: c :: k) * at x (n :: first + c :: i) ])

/// What a function makes of the elements of each window, padding left out.
let pool geometry (choose: float list -> float) (x: NdArray) =
    let sides = List.skip 2 x.Dims

    tabulate (List.take 2 x.Dims @ outputSides geometry sides) (fun place ->
        [ for _, i in covered geometry sides (List.skip 2 place) -> at x (place[0] :: place[1] :: i) ]
        |> choose)

let dense (x: NdArray) (kernel: NdArray) (bias: NdArray) =
    tabulate [ x.Dims[0]; kernel.Dims[0] ] (fun place ->
        bias.Data[place[1]]
        + List.sum [ for c in 0 .. x.Dims[1] - 1 -> at kernel [ place[1]; c ] * at x [ place[0]; c ] ])

/// Mean and biased variance of each channel.
let channelStatistics (x: NdArray) =
    [| for channel in 0 .. x.Dims[1] - 1 ->
           let values =
               places x.Dims
               |> List.filter (fun place -> place[1] = channel)
               |> List.map (at x)

           let mean = List.average values
           mean, values |> List.averageBy (fun v -> (v - mean) ** 2.0) |]

let normalise epsilon (statistics: (float * float)[]) (x: NdArray) =
    tabulate x.Dims (fun place ->
        let mean, variance = statistics[place[1]]
        (at x place - mean) / sqrt (variance + epsilon))
