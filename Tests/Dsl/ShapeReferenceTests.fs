/// The layers that change the sides of an image, against nested loops.
module CnnCluster.Tests.Dsl.ShapeReferenceTests

open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.WindowCases
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.Scripts

let private close body (expected: NdArray) (y: torch.Tensor) =
    Expect.sequenceEqual y.shape (List.map int64 expected.Dims) body
    Expect.isLessThan (distance expected.Data (values y)) 1e-12 body

let private isRefused body =
    (Script.Network(source ("network N {\n" + body + "\n}"), null, [], catalogues)).HasErrors

/// A layer without weights gives what the reference makes of its input.
let private gives (reference: NdArray -> NdArray) body =
    scope (fun () ->
        let _, _, _, x, y = run body false 2L
        close body (reference (ofTensor x)) y)

// ---- convolutions ----

let private depthwiseAgrees case =
    let layer =
        $"depthwise {settings case} dilation={list case.Geometry.Dilation} multiplier={case.Groups} bias-init=normal"

    agrees layer case (fun x weights ->
        convolve case.Geometry case.Channels x (ofTensor weights[0]) (ofTensor weights[1]))

let private separableAgrees case =
    let layer =
        $"separable {case.Filters} {settings case} dilation={list case.Geometry.Dilation} multiplier={case.Groups} bias-init=normal"

    agrees layer case (fun x weights ->
        let depthwise, pointwise = ofTensor weights[0], ofTensor weights[1]
        let none = tabulate [ depthwise.Dims[0] ] (fun _ -> 0.0)
        let apart = convolve case.Geometry case.Channels x depthwise none
        let ones = List.replicate case.Sides.Length 1
        let noPadding = List.replicate case.Sides.Length 0

        let pixel =
            { Kernel = ones
              Stride = ones
              Dilation = ones
              Before = noPadding
              After = noPadding }

        convolve pixel 1 apart pointwise (ofTensor weights[2]))

let private extents geometry =
    List.map2 (fun k d -> (k - 1) * d + 1) geometry.Kernel geometry.Dilation

/// The geometry and the sides of the output: Keras' for words, PyTorch's for numbers.
let private transposed (case: WindowCase) outputPad =
    let geometry = case.Geometry
    let inner = List.zip3 case.Sides geometry.Stride (extents geometry)

    match case.Padding with
    | IsSame ->
        let sides = inner |> List.map (fun (n, s, _) -> n * s)
        // What a SAME convolution from the output's sides to the input's would be padded with.
        samePadding geometry sides, sides
    | IsValid -> geometry, inner |> List.map (fun (n, s, k) -> n * s + max (k - s) 0)
    | Number _
    | PerSide _ ->
        geometry,
        List.map3
            (fun (n, s, k) (a, b) o -> (n - 1) * s - a - b + k + o)
            inner
            (List.zip geometry.Before geometry.After)
            outputPad

let private transposedAgrees (case: WindowCase, extra: int) =
    let numbers =
        match case.Padding with
        | IsSame
        | IsValid -> false
        | Number _
        | PerSide _ -> true

    let outputPad =
        List.map2 max case.Geometry.Stride case.Geometry.Dilation
        |> List.map (fun step -> if numbers then extra % step else 0)

    let layer =
        $"convtranspose {case.Filters} {settings case} dilation={list case.Geometry.Dilation} groups={case.Groups} output-pad={list outputPad} bias-init=normal"

    let geometry, sides = transposed case outputPad
    let body = bodyOf case layer

    if List.min sides < 1 then
        Expect.isTrue (isRefused body) $"{body} leaves nothing"
    else
        scope (fun () ->
            let _, _, tensors, x, y = run body false (int64 case.Samples)
            let kernel, bias = ofTensor tensors.Weights[0], ofTensor tensors.Weights[1]
            close body (convolveTransposed geometry case.Groups sides (ofTensor x) kernel bias) y)

// ---- the rest ----

let private genAdaptive =
    gen {
        let! rank = Gen.choose (1, 3)
        let greatest = if rank = 3 then 5 else 9
        let! sides = Gen.listOfLength rank (Gen.choose (1, greatest))
        let! sizes = Gen.listOfLength rank (Gen.choose (1, greatest))
        return sides, sizes
    }

let private input (sides: int list) channels =
    "input " + System.String.Join("x", sides @ [ channels ])

let private adaptiveAgrees word choose (sides, sizes) =
    gives (adaptivePool sizes choose) $"{input sides 2}\n{word} {list sizes}"

let private genPairs =
    gen {
        let! rank = Gen.choose (1, 3)
        let! sides = Gen.listOfLength rank (Gen.choose (1, 5))
        let! pairs = Gen.listOfLength rank (Gen.zip (Gen.choose (0, 4)) (Gen.choose (0, 4)))
        return sides, pairs
    }

let private amounts (pairs: (int * int) list) =
    "[" + System.String.Join("; ", [ for a, b in pairs -> $"{a} {b}" ]) + "]"

/// Where an element of the padded side comes from; `None` for the constant.
let private sources =
    [ "zeropad", (fun n i -> if i >= 0 && i < n then Some i else None)
      "constantpad", (fun n i -> if i >= 0 && i < n then Some i else None)
      "replicatepad", (fun n i -> Some(min (n - 1) (max 0 i)))
      "reflectpad",
      (fun n i ->
          Some(
              if i < 0 then -i
              elif i >= n then 2 * (n - 1) - i
              else i
          )) ]

let private padAgrees word (source: int -> int -> int option) (sides: int list, pairs) =
    let value = if word = "constantpad" then 1.5 else 0.0

    let setting = if word = "constantpad" then " value=1.5" else ""

    let body = $"{input sides 2}\n{word} {amounts pairs}{setting}"

    if word = "reflectpad" && List.exists2 (fun n (a, b) -> max a b >= n) sides pairs then
        Expect.isTrue (isRefused body) $"{body} mirrors more than there is"
    else
        let padded = List.map2 (fun n (a, b) -> n + a + b) sides pairs

        let from place =
            let sources = List.map3 (fun n (a, _) i -> source n (i - a)) sides pairs place

            if List.forall Option.isSome sources then
                Some(List.map Option.get sources)
            else
                None

        gives (pick padded from value) body

let private cropAgrees (sides: int list, pairs) =
    let body = $"{input sides 2}\ncrop {amounts pairs}"
    let left = List.map2 (fun n (a, b) -> n - a - b) sides pairs

    if List.min left < 1 then
        Expect.isTrue (isRefused body) $"{body} leaves nothing"
    else
        gives (pick left (List.map2 (fun (a, _) i -> i + a) pairs >> Some) 0.0) body

let private genFactors =
    gen {
        let! rank = Gen.choose (1, 3)
        let! sides = Gen.listOfLength rank (Gen.choose (1, 5))
        let! factors = Gen.listOfLength rank (Gen.choose (1, 4))
        return sides, factors
    }

let private nearestAgrees (sides, factors) =
    gives
        (pick (List.map2 (*) sides factors) (fun i -> Some(List.map2 (/) i factors)) 0.0)
        $"{input sides 2}\nupsample {list factors}"

[<Tests>]
let tests =
    testList
        "Dsl.Layers shapes"
        [ property "depthwise is conv with a group for each channel" (genWindow false) depthwiseAgrees
          property "separable is depthwise, then conv of one pixel" (genWindow false) separableAgrees
          property
              "convtranspose adds the kernel at each element's place"
              (Gen.zip (genWindow false) (Gen.choose (0, 2)))
              transposedAgrees
          property
              "adaptiveavgpool is the mean of windows that share the input out"
              genAdaptive
              (adaptiveAgrees "adaptiveavgpool" List.average)
          property
              "adaptivemaxpool is the greatest of windows that share the input out"
              genAdaptive
              (adaptiveAgrees "adaptivemaxpool" List.max)
          for word, source in sources do
              property $"{word} takes its elements from where they belong" genPairs (padAgrees word source)
          property "crop takes away, and refuses to leave nothing" genPairs cropAgrees
          property "upsample repeats elements" genFactors nearestAgrees
          property "upsample bilinear is linear between elements" genFactors (fun (sides, factors) ->
              gives (upsampleLinear factors) $"{input sides 2}\nupsample {list factors} bilinear")
          test "upsample by 49 repeats each element 49 times" {
              gives (pick [ 49 * 49 ] (fun i -> Some [ i[0] / 49 ]) 0.0) "input 49x1\nupsample 49"
          }
          for word, choose in [ "globalavgpool", List.average; "globalmaxpool", List.max ] do
              test $"{word} pools all pixels" {
                  gives
                      (fun x ->
                          { adaptivePool [ 1; 1 ] choose x with
                              Dims = [ 2; 3 ] })
                      $"input 4x5x3\n{word}"

                  gives (adaptivePool [ 1; 1; 1 ] choose) $"input 2x3x4x2\n{word} keep"
              }
          test "reshape counts elements off as flatten does" {
              gives (fun x -> { x with Dims = [ 2; 6; 2; 2 ] }) "input 3x4x2\nreshape 2x2x6"
          }
          test "a fixed kernel acts on each channel by itself" {
              let kernel = [ 1.0; 2.0; 1.0; 2.0; 4.0; 2.0; 1.0; 2.0; 1.0 ]

              let blur (x: NdArray) =
                  tabulate [ 2; 3; 3; 4 ] (fun place ->
                      List.sum
                          [ for l in 0..8 ->
                                kernel[l] / 16.0
                                * at x [ place[0]; place[1]; place[2] + l / 3; place[3] + l % 3 ] ])

              gives blur "input 5x6x3\ndepthwise kernel=gaussian"
          } ]
