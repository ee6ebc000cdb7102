/// What a network's statements are made of: inputs, layers and activations, put one behind the other.
module internal CnnCluster.Dsl.Checking.NetworkBuilder

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Layers
open CnnCluster.Dsl.Checking.Scope

/// A value on its way through the network.
type Value =
    { Input: NodeInput
      Shape: Shape
      Field: ReceptiveField }

type Here =
    | Undefined
    /// An error was said already: what follows is checked as far as it goes without a shape.
    | Unknown
    | Known of Value

/// What the statements so far have made of the names.
type Flow =
    {
        Here: Here
        Values: Map<string, Here>
        Numbers: Map<string, float option>
        Defaults: Binder.Defaults
        /// Whether a statement could not be read.
        Incomplete: bool
    }

type Builder(sink: Sink) =
    member _.Sink = sink
    member val Inputs = ResizeArray<PlanInput>()
    member val Nodes = ResizeArray<PlanNode>()
    member val private Counts = Dictionary<string, int>()

    /// `conv1`, `conv2`, … in the order of use.
    member builder.NextPath kind =
        let count = 1 + builder.Counts.GetValueOrDefault(kind, 0)
        builder.Counts[kind] <- count
        $"{kind}{count}"

let shapeOf =
    function
    | Known value -> Some value.Shape
    | Undefined
    | Unknown -> None

let scopeOf flow : Scope =
    { Numbers = flow.Numbers
      Shapes =
        flow.Values
        |> Map.map (fun _ here -> shapeOf here)
        |> Map.add "here" (shapeOf flow.Here)
      Incomplete = flow.Incomplete }

let statementWords =
    [ "input"; "repeat"; "if"; "let"; "as"; "from"; "output"; "defaults" ]

/// Words of the language that this version cannot compile yet.
let later = [ "add"; "multiply"; "concat" ]

let layerNames = Catalogue.layers |> List.map _.Name
let activationNames = Activation.all |> List.map _.Name

let notYet (builder: Builder) span what =
    report builder.Sink (Diagnostic.error span $"{what} cannot be compiled by this version yet")

let sidesOf (builder: Builder) scope (expression: Expression) =
    match evaluate builder.Sink scope expression with
    | Some(OfSides sides) -> Some sides
    | Some(OfNumber features) when features = floor features && features >= 1.0 -> Some [ Some(int features) ]
    | Some other ->
        expected
            builder.Sink
            expression.Span
            $"{describe other} is no input size"
            "height x width x channels, as in 28x28x1; ? leaves a side open"
    | None -> None

let elements sides =
    sides
    |> List.fold (fun product side -> product * float (Option.defaultValue 1 side)) 1.0

let shapeOfSides (builder: Builder) span sides =
    match List.rev sides with
    | None :: _ -> fail builder.Sink span "the channels of an input cannot be open ('?'): weights depend on them"
    | _ when sides |> List.exists (fun side -> side = Some 0) -> fail builder.Sink span "a side of 0 holds nothing"
    | _ when elements sides > 2147483647.0 -> fail builder.Sink span "an input has at most 2147483647 elements"
    | _ when sides.Length > 4 ->
        fail builder.Sink span $"an input has up to three sides and its channels; here are {sides.Length} numbers"
    | Some channels :: rest ->
        Some
            { Channels = channels
              Sides = List.rev rest }
    | [] -> None

/// Fills in open sides from the sample's shape, where one is given.
let filled (given: Shape option) (shape: Shape) =
    match given with
    | Some sample when sample.Rank = shape.Rank ->
        { shape with
            Sides = List.map2 (fun own other -> Option.orElse other own) shape.Sides sample.Sides }
    | _ -> shape

let addInput (builder: Builder) given flow (word: Name) arguments =
    let size =
        match arguments with
        | [ Positional size ] -> Some("input", size)
        | [ Positional { Kind = Word name }; Positional size ] -> Some(name, size)
        | _ ->
            expected builder.Sink word.Span "an input has a size, and a name in front of it if need be" "input 28x28x1"

    if builder.Inputs.Count > 0 then
        notYet builder word.Span "a network with a second input"
        { flow with Here = Unknown }
    else
        let shape =
            size
            |> Option.bind (fun (name, expression) ->
                sidesOf builder (scopeOf flow) expression
                |> Option.bind (shapeOfSides builder expression.Span)
                |> Option.map (fun shape -> name, filled given shape))

        match shape with
        | None -> { flow with Here = Unknown }
        | Some(name, shape) ->
            builder.Inputs.Add { Name = name; Shape = shape }

            { flow with
                Here =
                    Known
                        { Input = FromInput(builder.Inputs.Count - 1)
                          Shape = shape
                          Field = ReceptiveField.start shape.Rank } }

let addNode (builder: Builder) kind span (value: Value) layer activation =
    builder.Nodes.Add
        { Path = builder.NextPath kind
          Kind = kind
          Inputs = [ value.Input ]
          InputShapes = [ value.Shape ]
          Layer = layer
          Activation = activation
          Span = span }

    Known
        { Input = FromNode(builder.Nodes.Count - 1)
          Shape = layer.Output
          Field = layer.Field }

let blame (builder: Builder) (word: Name) (bound: Binder.Bound) (fault: LayerFault) =
    let span =
        fault.Argument
        |> Option.bind (fun name -> Map.tryFind name bound.Places)
        |> Option.defaultValue word.Span

    report
        builder.Sink
        { Diagnostic.error span fault.Message with
            Expected = fault.Expected }

    Unknown

let place (builder: Builder) (layer: LayerDefinition) (word: Name) span (bound: Binder.Bound) (value: Value) =
    if not (List.contains value.Shape.Rank layer.Ranks) then
        report
            builder.Sink
            { Diagnostic.error
                  word.Span
                  $"'{layer.Name}' needs an image; here the value is a vector of {value.Shape.Channels}" with
                Expected = Some $"'{layer.Name}' in front of 'flatten'" }

        Unknown
    else
        let site =
            { Input = value.Shape
              Field = value.Field
              Arguments = bound.Values }

        match layer.Plan site with
        | Ok plan -> addNode builder layer.Name span value plan bound.Activation
        | Result.Error fault -> blame builder word bound fault

let noInput (builder: Builder) (word: Name) =
    report
        builder.Sink
        { Diagnostic.error word.Span $"'{word.Text}' has no value to work on" with
            Expected = Some "an 'input' in front of it, as in: input 28x28x1" }

let useLayer (builder: Builder) flow (layer: LayerDefinition) (word: Name) span arguments =
    let bound =
        Binder.bind builder.Sink (scopeOf flow) flow.Defaults layer word arguments

    match flow.Here, bound with
    | Undefined, _ ->
        noInput builder word
        Unknown
    | Known value, Some bound -> place builder layer word span bound value
    | _ -> Unknown

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

    match flow.Here, Binder.activation builder.Sink (scopeOf flow) call with
    | Undefined, _ ->
        noInput builder word
        Unknown
    | Known value, Some activation ->
        let site =
            { Input = value.Shape
              Field = value.Field
              Arguments = ArgumentValues Map.empty }

        addNode builder word.Text span value (LayerPlan.pointwise site _.Input) (Some activation)
    | _ -> Unknown

let unknownWord (builder: Builder) (blocks: string list) (word: Name) =
    if List.contains word.Text blocks then
        notYet builder word.Span $"the block '{word.Text}'"
    elif List.contains word.Text later then
        notYet builder word.Span $"'{word.Text}'"
    else
        Diagnostic.error word.Span $"'{word.Text}' is no layer"
        |> Suggestion.among (layerNames @ activationNames @ statementWords @ blocks) word.Text
        |> fun diagnostic ->
            if diagnostic.Suggestion.IsSome then
                diagnostic
            else
                { diagnostic with
                    Expected = Some($"a layer ({Suggestion.listed layerNames}) or an activation") }
        |> report builder.Sink

    Unknown
