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

// ---- transposed convolution, by its definition ----

/// z[n, f, j] = Σ w[c, f', l]·x[n, c, i] + b[f] over all i and l with i·s + l·d − p = j
let convolveTransposed geometry groups (sides: int list) (x: NdArray) (kernel: NdArray) (bias: NdArray) =
    let perGroup = kernel.Dims[1]
    let depth = x.Dims[1] / groups
    let filters = perGroup * groups
    let output = Array.zeroCreate (x.Dims[0] * filters * List.fold (*) 1 sides)
    let dims = x.Dims[0] :: filters :: sides

    for place in places x.Dims do
        for l in places (List.skip 2 kernel.Dims) do
            let j =
                [ for axis in 0 .. sides.Length - 1 ->
                      place[axis + 2] * geometry.Stride[axis] + l[axis] * geometry.Dilation[axis]
                      - geometry.Before[axis] ]

            if List.forall2 (fun j side -> j >= 0 && j < side) j sides then
                for q in 0 .. perGroup - 1 do
                    let f = place[1] / depth * perGroup + q
                    let target = offset dims (place[0] :: f :: j)
                    output[target] <- output[target] + at x place * at kernel (place[1] :: q :: l)

    tabulate dims (fun place -> output[offset dims place] + bias.Data[place[1]])

// ---- changes of the sides ----

/// Each element of the output from a place of the input, or from a constant where there is none.
let pick (sides: int list) (source: int list -> int list option) constant (x: NdArray) =
    tabulate (List.take 2 x.Dims @ sides) (fun place ->
        match source (List.skip 2 place) with
        | Some i -> at x (List.take 2 place @ i)
        | None -> constant)

/// What a function makes of the elements from ⌊i·n/o⌋ to ⌈(i + 1)·n/o⌉ along each axis.
let adaptivePool (sizes: int list) (choose: float list -> float) (x: NdArray) =
    let range n o i =
        [ int (floor (float (i * n) / float o)) .. int (ceil (float ((i + 1) * n) / float o)) - 1 ]

    let rec product =
        function
        | [] -> [ [] ]
        | first :: rest ->
            [ for i in first do
                  for others in product rest -> i :: others ]

    tabulate (List.take 2 x.Dims @ sizes) (fun place ->
        List.map3 range (List.skip 2 x.Dims) sizes (List.skip 2 place)
        |> product
        |> List.map (fun i -> at x (List.take 2 place @ i))
        |> choose)

/// Linear between the elements, whose centres lie at half numbers; beyond the outermost, these.
let upsampleLinear (factors: int list) (x: NdArray) =
    let weights n factor i =
        let source = (float i + 0.5) / float factor - 0.5 |> max 0.0 |> min (float (n - 1))
        let below = int (floor source)
        [ below, 1.0 - (source - float below); min (below + 1) (n - 1), source - float below ]

    let sides = List.skip 2 x.Dims

    tabulate (List.take 2 x.Dims @ List.map2 (*) sides factors) (fun place ->
        let rec sum chosen =
            function
            | [] -> at x (List.take 2 place @ List.rev chosen)
            | axis :: rest ->
                axis
                |> List.sumBy (fun (i, weight) -> if weight = 0.0 then 0.0 else weight * sum (i :: chosen) rest)

        sum [] (List.map3 weights sides factors (List.skip 2 place)))

// ---- normalisation over parts of a sample ----

/// Elements of one sample with the same key are brought to mean 0 and variance 1 together.
let normaliseBy (key: int list -> int list) epsilon (x: NdArray) =
    let statistics =
        places x.Dims
        |> List.groupBy (fun place -> place[0], key place)
        |> List.map (fun (key, group) ->
            let values = group |> List.map (at x)
            let mean = List.average values
            key, (mean, values |> List.averageBy (fun v -> (v - mean) ** 2.0)))
        |> Map.ofList

    tabulate x.Dims (fun place ->
        let mean, variance = statistics[place[0], key place]
        (at x place - mean) / sqrt (variance + epsilon))

/// Krizhevsky et al. 2012, section 3.3.
let localResponse size k alpha beta (x: NdArray) =
    tabulate x.Dims (fun place ->
        let c = place[1]

        let squares =
            [ for j in max 0 (c - size / 2) .. min (x.Dims[1] - 1) (c + size / 2) ->
                  at x (List.updateAt 1 j place) ** 2.0 ]

        at x place / ((k + alpha * List.sum squares) ** beta))
