/// Small networks of one layer, its shape and its settings drawn at random.
module CnnCluster.Tests.Dsl.LayerGenerators

open System
open FsCheck
open FsCheck.FSharp
open CnnCluster.Tests.Dsl.WindowCases

let private input (sides: int list) (channels: int) =
    "input " + String.Join("x", sides @ [ channels ])

/// A layer, by the sides and the channels of its input.
let private over ranks channels (layer: int list -> int -> Gen<string>) =
    gen {
        let! rank = Gen.elements ranks
        let! sides = Gen.listOfLength rank (Gen.choose (1, (if rank = 3 then 3 else 4)))
        let! channels = Gen.elements channels
        let! text = layer sides channels
        return $"{input sides channels}\n{text}"
    }

let private images = [ 1; 2; 3 ]
let private any = [ 0; 1; 2; 3 ]
let private few = [ 1; 2; 3 ]

// ---- layers with windows ----

let private dilated case =
    $"{settings case} dilation={list case.Geometry.Dilation}"

/// Padding of the output is for padding that is given in numbers, and less than a stride or a dilation.
let private outputPad case extra =
    match case.Padding with
    | IsSame
    | IsValid -> ""
    | Number _
    | PerSide _ ->
        let steps = List.map2 max case.Geometry.Stride case.Geometry.Dilation
        $" output-pad={list [ for step in steps -> extra % step ]}"

let private windowed isPooling (layer: WindowCase -> int -> string) =
    gen {
        let! case = genWindowUpTo 4 3 isPooling
        let! extra = Gen.choose (0, 2)
        return bodyOf case (layer case extra)
    }

/// Their ends and their dilations make many kinds, so that they are drawn more often than the others.
let windows: (string * Gen<string>) list =
    [ "conv", windowed false (fun case _ -> $"conv {case.Filters} {dilated case} groups={case.Groups} bias-init=normal")
      "depthwise", windowed false (fun case _ -> $"depthwise {dilated case} multiplier={case.Groups}")
      "separable", windowed false (fun case _ -> $"separable {case.Filters} {dilated case} multiplier={case.Groups}")
      "convtranspose",
      windowed false (fun case extra ->
          $"convtranspose {case.Filters} {dilated case} groups={case.Groups}{outputPad case extra}")
      "maxpool", windowed true (fun case _ -> $"maxpool {settings case}")
      "avgpool", windowed true (fun case _ -> $"avgpool {settings case}") ]

// ---- the others ----

let private chosen options = Gen.elements options

/// A layer with one of these behind its name, whatever its input.
let private either word options =
    fun (_: int list) (_: int) -> chosen [ for option in options -> $"{word} {option}" ]

let private perAxis word least greatest (sides: int list) (_: int) =
    Gen.listOfLength sides.Length (Gen.choose (least, greatest))
    |> Gen.map (fun numbers -> $"{word} {list numbers}")

let private perEnd word setting (sides: int list) (_: int) =
    Gen.listOfLength sides.Length (Gen.zip (Gen.choose (0, 2)) (Gen.choose (0, 2)))
    |> Gen.map (fun pairs ->
        word
        + " ["
        + String.Join("; ", [ for a, b in pairs -> $"{a} {b}" ])
        + "]"
        + setting)

let private dense (_: int list) (_: int) =
    gen {
        let! units = Gen.choose (1, 4)
        let! ending = chosen [ "bias-init=normal"; "bias=no"; "bias-init=normal tanh" ]
        return $"dense {units} {ending}"
    }

let private upsample sides channels =
    gen {
        let! factors = perAxis "upsample" 1 3 sides channels
        let! mode = chosen [ ""; " bilinear" ]
        return factors + mode
    }

let private affine =
    [ for scale in [ ""; " scale=no" ] do
          for shift in [ ""; " shift=no" ] do
              for epsilon in [ ""; " epsilon=0.1" ] -> scale + shift + epsilon ]

let private groupnorm (_: int list) (channels: int) =
    chosen
        [ for groups in 1..channels do
              if channels % groups = 0 then
                  for ending in affine -> $"groupnorm {groups}{ending}" ]

/// With a value of the same shape, or one that is repeated along the sides, or along the channels.
let private smoothMerge word (sides: int list) (channels: int) =
    chosen
        [ yield $"{word} {{ }} {{ tanh }} {{ rescale -0.5 offset=0.25 }}"
          if not sides.IsEmpty then
              yield $"{word} {{ }} {{ globalavgpool keep }}"
              yield $"{word} {{ conv {channels} 1 tanh }} {{ conv 1 1 }}" ]

/// Neighbours along the first side: no two elements are close to each other.
let private extremeMerge word (sides: int list) (_: int) =
    let ends first =
        "["
        + String.Join("; ", [ for axis in 0 .. sides.Length - 1 -> if axis = 0 then first else "0 0" ])
        + "]"

    let before, behind = ends "0 1", ends "1 0"
    chosen [ $"{word} {{ crop {before} }} {{ crop {behind} }}" ]

let private concat (sides: int list) (_: int) =
    let further = if sides.IsEmpty then "dense 2" else "conv 2 1"
    chosen [ $"concat {{ }} {{ {further} }} {{ tanh }}"; $"concat {{ {further} }} {{ }}" ]

let others: (string * Gen<string>) list =
    [ for word in [ "globalavgpool"; "globalmaxpool" ] do
          word, over images few (either word [ ""; "keep" ])
      for word in [ "adaptiveavgpool"; "adaptivemaxpool" ] do
          word, over images few (perAxis word 1 4)
      "upsample", over images [ 1; 2 ] upsample
      for word in [ "zeropad"; "reflectpad"; "replicatepad"; "crop" ] do
          word, over images few (perEnd word "")
      "constantpad", over images few (perEnd "constantpad" " value=-1.5")
      "flatten", over any few (either "flatten" [ "" ])
      "reshape",
      over images few (fun sides channels -> chosen [ $"reshape {String.Join('x', channels :: List.rev sides)}" ])
      "dense", over [ 0 ] [ 1..5 ] dense
      for word in [ "batchnorm"; "instancenorm" ] do
          word, over (if word = "batchnorm" then any else images) few (either word affine)
      "layernorm",
      over
          any
          [ 2; 3 ]
          (either
              "layernorm"
              [ for ending in affine do
                    yield! [ ending; " all" + ending ] ])
      "groupnorm", over any [ 2; 3; 4 ] groupnorm
      "localresponsenorm",
      over images [ 1; 3; 5 ] (either "localresponsenorm" [ "alpha=0.5"; "3 alpha=2 beta=0.6 k=0.5"; "1 alpha=1 k=1" ])
      "rescale", over any few (either "rescale" [ "-2"; "0.5 offset=-1" ])
      // An even number of elements has none at 0, where the slope breaks.
      "prelu", over any [ 2; 4 ] (either "prelu" [ "alpha-init=normal"; "alpha-init=constant(0.25)" ])
      for word in [ "add"; "subtract"; "multiply"; "average" ] do
          word, over any few (smoothMerge word)
      for word in [ "maximum"; "minimum" ] do
          word, over images few (extremeMerge word)
      "concat", over any few concat ]

/// Layers that are not drawn, and why.
let exceptions =
    [ for word in [ "dropout"; "spatialdropout"; "gaussiannoise"; "gaussiandropout" ] do
          word, "its shape is its input's and it has one number: the cases that are listed say all" ]
