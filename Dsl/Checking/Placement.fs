/// Puts layers and activations behind the values they work on.
module internal CnnCluster.Dsl.Checking.Placement

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Declared
open CnnCluster.Dsl.Checking.NetworkBuilder

/// No tensor of one sample, and no weight, has more elements: counts of them stay within 64 bits.
[<Literal>]
let private MostElements = 2147483647.0

let private count (sides: int64 seq) =
    sides |> Seq.fold (fun product side -> product * float side) 1.0

let private tooLarge (layer: LayerPlan) =
    let output =
        count (
            int64 layer.Output.Channels
            :: [ for side in layer.Output.Sides -> int64 (Option.defaultValue 1 side) ]
        )

    if output > MostElements then
        Some $"its output, {Shape.text layer.Output}, has more than {int MostElements} elements"
    else
        layer.Weights
        |> List.tryFind (fun weight -> count weight.Shape > MostElements)
        |> Option.map (fun weight ->
            let sides = weight.Shape |> List.map string |> String.concat "x"
            $"its {weight.Name}, {sides}, has more than {int MostElements} elements")

let private freeze (layer: LayerPlan) =
    { layer with
        Weights = layer.Weights |> List.map (fun weight -> { weight with Trainable = false }) }

let private addNode (builder: Builder) flow kind span (inputs: Flowing list) arguments layer activation =
    let name = Frame.number flow.Frame kind

    builder.Nodes.Add
        { Path = flow.Frame.Prefix + name
          Owner = flow.Frame.Owner + name
          Uses = flow.Frame.Uses
          Kind = kind
          Inputs = inputs |> List.map _.Source
          InputShapes = inputs |> List.map _.Shape
          Arguments = arguments
          Layer = layer
          Activation = activation
          Span = span }

    Known
        { Source = FromNode(builder.Nodes.Count - 1)
          Shape = layer.Output
          Field = layer.Field }

let private blame (builder: Builder) (word: Name) (bound: Binder.Bound) (fault: LayerFault) =
    let span =
        fault.Argument
        |> Option.bind (fun name -> Map.tryFind name bound.Places)
        |> Option.defaultValue word.Span

    report
        builder.Sink
        { Diagnostic.error span fault.Message with
            Expected = fault.Expected }

    Unknown

let private wrongRank (builder: Builder) (layer: LayerDefinition) (word: Name) (shape: Shape) =
    let message, expected =
        if shape.Rank = 0 then
            $"'{layer.Name}' needs an image; here the value is a vector of {shape.Channels}",
            $"'{layer.Name}' in front of 'flatten', or an input with sides, as in 28x28x1"
        else
            let ranks = layer.Ranks |> List.map string |> Suggestion.listed
            $"'{layer.Name}' does not take values of {shape.Rank} sides, as {Shape.text shape}", $"{ranks} sides"

    report
        builder.Sink
        { Diagnostic.error word.Span message with
            Expected = Some expected }

    Unknown

/// Puts a layer behind these values.
let place (builder: Builder) flow (layer: LayerDefinition) (word: Name) span (bound: Binder.Bound) inputs =
    match
        inputs
        |> List.tryFind (fun input -> not (List.contains input.Shape.Rank layer.Ranks))
    with
    | Some misfit -> wrongRank builder layer word misfit.Shape
    | None ->
        let frozen =
            flow.Frozen || (bound.Values.Has "frozen" && bound.Values.Flag "frozen")

        let site =
            { Inputs =
                [ for input in inputs ->
                      { Shape = input.Shape
                        Field = input.Field } ]
              Arguments = bound.Values
              Frozen = frozen }

        match layer.Plan site with
        | Result.Error fault -> blame builder word bound fault
        | Ok plan ->
            match tooLarge plan with
            | Some message ->
                report builder.Sink (Diagnostic.error word.Span $"'{layer.Name}' would be too large: {message}")
                Unknown
            | None ->
                let plan = if frozen then freeze plan else plan
                addNode builder flow layer.Name span inputs (PlanArgument.all layer bound.Values) plan bound.Activation

let noInput (builder: Builder) (word: Name) =
    let expected =
        if builder.Inputs.Count > 1 then
            "'from' in front of it, or a merge: behind a second input nothing is the current value yet"
        else
            "an 'input' in front of it, as in: input 28x28x1"

    report
        builder.Sink
        { Diagnostic.error word.Span $"'{word.Text}' has no value to work on" with
            Expected = Some expected }

    Unknown

let useLayer (builder: Builder) flow (layer: LayerDefinition) (word: Name) span arguments =
    let bound =
        Binder.bind builder.Sink (scopeOf flow) flow.Defaults layer word arguments

    match flow.Here, bound with
    | Undefined, _ -> noInput builder word
    | Known value, Some bound -> place builder flow layer word span bound [ value ]
    | _ -> Unknown

/// An activation as a layer of its own behind the current value.
let activate (builder: Builder) flow (word: string) span activation =
    match flow.Here with
    | Known value ->
        let layer = LayerPlan.stateless value.Shape value.Field _.Input |> LayerPlan.keeping
        addNode builder flow word span [ value ] [] layer (Some activation)
    | Undefined
    | Unknown -> Unknown

let useActivation (builder: Builder) flow (word: Name) span arguments =
    let numbers =
        arguments
        |> List.choose (function
            | Positional value -> Some value
            | Keyword(key, _) -> fail builder.Sink key.Span $"an activation's numbers have no names: {word.Text}(0.1)"
            | Branch body -> fail builder.Sink body.Span $"'{word.Text}' takes no branches")

    let call =
        { Kind = Call(word, numbers)
          Span = span }

    match flow.Here, Conversion.activation builder.Sink (scopeOf flow) call with
    | Undefined, _ -> noInput builder word
    | Known _, Some activation -> activate builder flow word.Text span activation
    | _ -> Unknown
