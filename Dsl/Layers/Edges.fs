/// Adding to the edges of an image, and taking away from them.
module internal CnnCluster.Dsl.Layers.Edges

open TorchSharp
open CnnCluster.Dsl

let private amount doc = Arguments.required "amount" EdgesOf doc

let private added =
    amount "How many elements, on all sides: a number, one for each axis, or [top bottom; left right]."

let private pairs (site: LayerSite) next =
    let amount, rank = site.Arguments.Padding "amount", site.Input.Rank
    Sides.fitting site.Input [ "amount", Sides.axesOf rank amount ] (fun () -> next (Sides.edges rank amount))

/// Pads in a libtorch mode; an empty batch has no elements to mirror or repeat.
let private pad (pairs: (int * int) list) mode (value: float) =
    // The last axis comes first here.
    let ends =
        [| for before, after in List.rev pairs do
               int64 before
               int64 after |]

    let isNothing = ends |> Array.forall (fun added -> added = 0L)

    fun (x: torch.Tensor) ->
        if isNothing then
            x
        else
            let mode = if x.size 0 = 0L then PaddingModes.Constant else mode
            torch.nn.functional.pad (x, ends, mode, value)

let private planPad refuse mode (value: ArgumentValues -> float) (site: LayerSite) =
    let input = site.Input

    pairs site (fun pairs ->
        match refuse input pairs with
        | Some message -> LayerFault.at "amount" message
        | None ->
            let sides =
                List.map2
                    (fun side (before, after) -> side |> Option.map (fun n -> int64 n + int64 before + int64 after))
                    input.Sides
                    pairs

            let pad = pad pairs mode (value site.Arguments)

            Sides.bounded sides (fun sides ->
                Ok(
                    LayerPlan.stateless { input with Sides = sides } site.Field (fun call -> pad call.Input)
                    |> LayerPlan.keeping
                )))

let private never _ _ = None

/// A mirror image holds no more than all elements but the edge's own.
let private widerThanMirror (input: Shape) pairs =
    List.zip input.Sides pairs
    |> List.tryPick (fun (side, (before, after)) ->
        side
        |> Option.filter (fun n -> max before after >= n)
        |> Option.map (fun n ->
            $"{max before after} elements cannot be mirrored from a side of {n} ({Shape.text input}): there are {n - 1} behind the edge"))

let private definition name summary formula source notes example arguments plan =
    { Name = name
      Help =
        { LayerHelp.create summary "n + a + b" example with
            Formula = formula
            Source = source
            Notes = notes }
      Arguments = added :: arguments
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan }

let zeropad =
    definition
        "zeropad"
        "Adds zeros around the image."
        ""
        "Keras' ZeroPadding"
        [ "conv, depthwise and convtranspose pad by themselves: pad=1." ]
        "input 28x28x1; zeropad 2; conv 8 3; zeropad [0 1; 0 1]"
        []
        (planPad never PaddingModes.Constant (fun _ -> 0.0))

let constantpad =
    definition
        "constantpad"
        "Adds elements of one value around the image."
        ""
        "PyTorch's ConstantPad"
        []
        "input 28x28x1; constantpad 2 value=-1; constantpad 1x0"
        [ Arguments.keyword "value" (RealNumber(-3.4e38, 3.4e38)) (RealValue 0.0) "The value of what is added." ]
        (planPad never PaddingModes.Constant (fun values -> values.Real "value"))

let reflectpad =
    definition
        "reflectpad"
        "Mirrors the image at its outermost elements, which are not repeated."
        "y[i] = x[|i − a|] in front, and likewise behind: a b c d by 2 is c b a b c d c b"
        "PyTorch's ReflectionPad"
        [ "Less than a side is added on each end of it." ]
        "input 28x28x1; reflectpad 2; conv 8 5"
        []
        (planPad widerThanMirror PaddingModes.Reflect (fun _ -> 0.0))

let replicatepad =
    definition
        "replicatepad"
        "Repeats the outermost elements around the image."
        "y[i] = x[min(max(i − a, 0), n − 1)]: a b c by 2 is a a a b c c c"
        "PyTorch's ReplicationPad"
        []
        "input 28x28x1; replicatepad [1 2; 0 1]; conv 8 3"
        []
        (planPad never PaddingModes.Replicate (fun _ -> 0.0))

// ---- crop ----

let private cut (pairs: (int * int) list) =
    let axes = Array.ofList pairs

    fun (x: torch.Tensor) ->
        let mutable x = x

        for axis in 0 .. axes.Length - 1 do
            let before, after = axes[axis]

            if before > 0 || after > 0 then
                let rest = x.size (axis + 2) - int64 (before + after)
                x <- x.narrow (int64 (axis + 2), int64 before, rest)

        x

let private planCrop (site: LayerSite) =
    let input = site.Input

    pairs site (fun pairs ->
        let sides =
            List.map2
                (fun side (before, after) -> side |> Option.map (fun n -> int64 n - int64 before - int64 after))
                input.Sides
                pairs

        match sides |> List.tryFindIndex (Option.exists (fun side -> side < 1L)) with
        | Some i ->
            let before, after = pairs[i]

            LayerFault.at
                "amount"
                $"taking {before} and {after} from a side of {input.Sides[i].Value} ({Shape.text input}) leaves nothing"
        | None ->
            let cut = cut pairs

            Sides.bounded sides (fun sides ->
                Ok(
                    LayerPlan.stateless { input with Sides = sides } site.Field (fun call -> cut call.Input)
                    |> LayerPlan.keeping
                )))

let crop =
    { Name = "crop"
      Help =
        { LayerHelp.create "Takes elements away around the image." "n − a − b" "input 28x28x1; crop 2; crop [0 1; 3 0]" with
            Source = "Keras' Cropping" }
      Arguments =
        [ amount "How many elements, from all sides: a number, one for each axis, or [top bottom; left right]." ]
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = planCrop }

let all = [ zeropad; constantpad; reflectpad; replicatepad; crop ]
