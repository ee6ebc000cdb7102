/// What a network's statements are made of: inputs, layers and activations, put one behind the other.
module internal CnnCluster.Dsl.Checking.NetworkBuilder

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.Declared

/// Where layers get their paths: the network itself, or one use of a block or a shared set.
type Frame =
    {
        /// In front of the paths, such as `bottleneck1/`; empty for the network itself.
        Prefix: string
        /// In front of the paths that weights go by.
        Owner: string
        Counts: Dictionary<string, int>
        Taken: HashSet<string>
        /// The units that are being expanded, innermost first.
        Units: string list
    }

module Frame =
    let create prefix owner units =
        { Prefix = prefix
          Owner = owner
          Counts = Dictionary()
          Taken = HashSet()
          Units = units }

    /// `conv1`, `conv2`, … in the order of use. A block `a` and a block `a1` do not get in each other's way.
    let rec number frame kind =
        let count = 1 + frame.Counts.GetValueOrDefault(kind, 0)
        frame.Counts[kind] <- count
        let name = $"{kind}{count}"
        if frame.Taken.Add name then name else number frame kind

/// What the statements so far have made of the names.
type Flow =
    {
        Here: Here
        Values: Map<string, Meaning<Here>>
        Names: Map<string, Meaning<Evaluated option>>
        Defaults: Binder.Defaults
        Frozen: bool
        Frame: Frame
        /// Whether a statement could not be read.
        Incomplete: bool
    }

/// The first use of a shared set: its nodes own the weights.
type SharedSet =
    { Input: Shape
      Place: Span
      FirstNode: int
      Count: int
      mutable Uses: int }

/// More statements than any network has are a slip of the hand, and would take all memory.
[<Literal>]
let private MostStatements = 20000

/// Behind so many mistakes the rest is not looked at.
[<Literal>]
let private MostMistakes = 1000

/// The shape of the sample that an input takes, by the input's name and number, where it is known.
type Samples = string -> int -> Shape option

type Builder(sink: Sink, words: Words, samples: Samples) =
    let saidBefore = sink.Said.Count

    member _.Sink = sink
    member _.Words = words
    /// Shapes that fill in what the inputs leave open.
    member _.Samples = samples
    member val Inputs = ResizeArray<PlanInput>()
    member val Nodes = ResizeArray<PlanNode>()
    member val Outputs = ResizeArray<PlanOutput>()
    member val Shared = Dictionary<string, SharedSet>()
    /// Names that were given, by place, with what they are: those that nothing uses are worth a warning.
    member val Defined = Dictionary<Span, string * Name>()
    /// Where the inputs stand.
    member val InputPlaces = ResizeArray<Span>()
    member val private Statements = 0 with get, set

    /// Whether there is room for one more statement; says so once where there is none.
    member builder.Goes(span: Span) =
        builder.Statements <- builder.Statements + 1

        if
            sink.Said.Count - saidBefore > MostMistakes
            && builder.Statements <= MostStatements
        then
            builder.Statements <- MostStatements + 1
            report sink (Diagnostic.error span $"after {MostMistakes} mistakes, the network is not checked further")
        elif builder.Statements = MostStatements + 1 then
            report
                sink
                { Diagnostic.error span $"the network comes to more than {MostStatements} statements here" with
                    Expected = Some "fewer rounds of 'repeat', or blocks that use fewer others" }

        builder.Statements <= MostStatements

    /// Notes a name, and a warning where it hides another.
    member builder.Define what (name: Name) isHidden =
        if builder.Defined.TryAdd(name.Span, (what, name)) && isHidden then
            report sink (Diagnostic.warning name.Span $"'{name.Text}' has a meaning already, which this one hides")

let scopeOf flow : Scope =
    { Names = flow.Names
      Values = flow.Values
      Here = flow.Here
      Incomplete = flow.Incomplete }

let hasMeaning flow (name: Name) =
    flow.Names.ContainsKey name.Text || flow.Values.ContainsKey name.Text

/// Gives the current value a name.
let named (builder: Builder) (flow: Flow) (label: Name option) =
    match label with
    | None -> flow
    | Some name ->
        refuseReserved builder.Sink builder.Words "a value" name
        builder.Define "value" name (hasMeaning flow name)

        { flow with
            Values =
                Map.add
                    name.Text
                    { Meaning = flow.Here
                      Place = name.Span }
                    flow.Values }

/// Gives a number, or what a block was given, a name.
let bindName (builder: Builder) what (flow: Flow) (name: Name) value =
    builder.Define what name (hasMeaning flow name)

    { flow with
        Names = Map.add name.Text { Meaning = value; Place = name.Span } flow.Names }

// ---- layers ----

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
            $"'{layer.Name}' in front of 'flatten'"
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
        let layer = LayerPlan.stateless value.Shape value.Field _.Input
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

let unknownWord (builder: Builder) (word: Name) =
    let units = List.ofSeq (Map.keys builder.Words.Units)
    let layers = layerNames builder.Words

    Diagnostic.error word.Span $"'{word.Text}' is no layer"
    |> Suggestion.among (layers @ activationNames @ Words.names Words.statements @ units) word.Text
    |> fun diagnostic ->
        if diagnostic.Suggestion.IsSome then
            diagnostic
        else
            { diagnostic with
                Expected = Some "a layer, an activation or a block: 'cnn help' lists them" }
    |> report builder.Sink

    Unknown
