/// Checks a network's statements and makes its plan.
module internal CnnCluster.Dsl.Checking.NetworkChecker

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Layers
open CnnCluster.Dsl.Checking.Scope

/// A value on its way through the network.
type private Value =
    { Input: NodeInput
      Shape: Shape
      Field: ReceptiveField }

type private Here =
    | Undefined
    /// An error was said already: what follows is checked as far as it goes without a shape.
    | Unknown
    | Known of Value

/// What the statements so far have made of the names.
type private Flow =
    { Here: Here
      Values: Map<string, Here>
      Numbers: Map<string, float option>
      Defaults: Binder.Defaults
      /// Whether a statement could not be read.
      Incomplete: bool }

type private Builder(sink: Sink) =
    member _.Sink = sink
    member val Inputs = ResizeArray<PlanInput>()
    member val Nodes = ResizeArray<PlanNode>()
    member val private Counts = Dictionary<string, int>()

    /// `conv1`, `conv2`, … in the order of use.
    member builder.NextPath kind =
        let count = 1 + builder.Counts.GetValueOrDefault(kind, 0)
        builder.Counts[kind] <- count
        $"{kind}{count}"

let private shapeOf =
    function
    | Known value -> Some value.Shape
    | Undefined
    | Unknown -> None

let private scopeOf flow : Scope =
    { Numbers = flow.Numbers
      Shapes = flow.Values |> Map.map (fun _ here -> shapeOf here) |> Map.add "here" (shapeOf flow.Here)
      Incomplete = flow.Incomplete }

let private statementWords =
    [ "input"; "repeat"; "if"; "let"; "as"; "from"; "output"; "defaults" ]

/// Words of the language that this version cannot compile yet.
let private later =
    [ "add"; "multiply"; "concat" ]

let private layerNames = Catalogue.layers |> List.map _.Name
let private activationNames = Activation.all |> List.map _.Name

let private notYet (builder: Builder) span what =
    report builder.Sink (Diagnostic.error span $"{what} cannot be compiled by this version yet")

// ---- input ----

let private sidesOf (builder: Builder) scope (expression: Expression) =
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

let private elements sides =
    sides |> List.fold (fun product side -> product * float (Option.defaultValue 1 side)) 1.0

let private shapeOfSides (builder: Builder) span sides =
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
let private filled (given: Shape option) (shape: Shape) =
    match given with
    | Some sample when sample.Rank = shape.Rank ->
        { shape with
            Sides = List.map2 (fun own other -> Option.orElse other own) shape.Sides sample.Sides }
    | _ -> shape

let private addInput (builder: Builder) given flow (word: Name) arguments =
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

// ---- layers ----

let private addNode (builder: Builder) kind span (value: Value) layer activation =
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

let private place (builder: Builder) (layer: LayerDefinition) (word: Name) span (bound: Binder.Bound) (value: Value) =
    if not (List.contains value.Shape.Rank layer.Ranks) then
        report
            builder.Sink
            { Diagnostic.error word.Span $"'{layer.Name}' needs an image; here the value is a vector of {value.Shape.Channels}" with
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

let private noInput (builder: Builder) (word: Name) =
    report
        builder.Sink
        { Diagnostic.error word.Span $"'{word.Text}' has no value to work on" with
            Expected = Some "an 'input' in front of it, as in: input 28x28x1" }

let private useLayer (builder: Builder) flow (layer: LayerDefinition) (word: Name) span arguments =
    let bound = Binder.bind builder.Sink (scopeOf flow) flow.Defaults layer word arguments

    match flow.Here, bound with
    | Undefined, _ ->
        noInput builder word
        Unknown
    | Known value, Some bound -> place builder layer word span bound value
    | _ -> Unknown

let private useActivation (builder: Builder) flow (word: Name) span arguments =
    let numbers =
        arguments
        |> List.choose (function
            | Positional value -> Some value
            | Keyword(key, _) -> fail builder.Sink key.Span $"an activation's numbers have no names: {word.Text}(0.1)"
            | Branch body -> fail builder.Sink body.Span $"'{word.Text}' takes no branches")

    let call = { Kind = Call(word, numbers); Span = span }

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

let private unknownWord (builder: Builder) (blocks: string list) (word: Name) =
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

// ---- statements ----

let private named (builder: Builder) (flow: Flow) (label: Name option) =
    match label with
    | None -> flow
    | Some name when name.Text = "here" || List.contains name.Text (layerNames @ activationNames) ->
        report builder.Sink (Diagnostic.error name.Span $"'{name.Text}' is a word of the language, and no name for a value")
        flow
    | Some name ->
        { flow with
            Values = Map.add name.Text flow.Here flow.Values }

let private addDefaults (builder: Builder) (flow: Flow) (body: Body) =
    let layerOf (word: Name) =
        Catalogue.layers |> List.tryFind (fun layer -> layer.Name = word.Text)

    let entry (defaults: Binder.Defaults) (statement: Statement) =
        match statement.Kind with
        | Use(word, _, None) when defaults.ContainsKey word.Text ->
            report builder.Sink (Diagnostic.error word.Span $"'{word.Text}' has its defaults already")
            defaults
        | Use(word, arguments, None) when (layerOf word).IsSome ->
            let layer = (layerOf word).Value

            let keywords =
                arguments
                |> List.choose (function
                    | Keyword(key, value) when Binder.knows builder.Sink layer key -> Some(key, value)
                    | Keyword _ -> None
                    | Positional expression ->
                        report builder.Sink (Diagnostic.error expression.Span "defaults are given by name: key=value")
                        None
                    | Branch body ->
                        report builder.Sink (Diagnostic.error body.Span "defaults have no branches")
                        None)

            Map.add word.Text keywords defaults
        | Unread _ -> defaults
        | _ ->
            report
                builder.Sink
                { Diagnostic.error statement.Span "this is no default" with
                    Expected = Some "a layer with settings, as in: conv bias=no" }

            defaults

    { flow with
        Defaults = body.Statements |> List.fold entry flow.Defaults }

/// More rounds than any network needs are a slip of the hand, and would take all memory.
let private mostRounds = 10000L

let private rounds (builder: Builder) flow (names: Name list) (over: Expression) (upTo: Expression option) =
    let scope, sink = scopeOf flow, builder.Sink

    let few span count =
        if count <= mostRounds then
            Some count
        else
            expected sink span $"a network cannot repeat {count} times" $"{mostRounds} times at most"

    match names, upTo with
    | [], None ->
        whole sink scope 0 over
        |> Option.bind (int64 >> few over.Span)
        |> Option.map (fun count -> List.replicate (int count) [])
    | [], Some last -> expected sink last.Span "a range needs a name for its number" "repeat i in 1..4"
    | [ _ ], Some last ->
        match whole sink scope -1000000 over, whole sink scope -1000000 last with
        | Some first, Some final ->
            few (Span.merge over.Span last.Span) (int64 final - int64 first + 1L)
            |> Option.map (fun _ -> [ for i in first..final -> [ float i ] ])
        | _ -> None
    | _, Some last -> fail sink last.Span "a range gives one name its values"
    | _, None ->
        match evaluate sink scope over with
        | Some(OfRows [ row ]) when names.Length = 1 -> Some [ for value in row -> [ value ] ]
        | Some(OfRows rows) when rows |> List.forall (fun row -> row.Length = names.Length) -> Some rows
        | Some(OfRows _) -> fail sink over.Span $"each row must have {names.Length} entries, one for each name"
        | Some other -> expected sink over.Span $"{describe other} is no list" "a list such as [64 3; 128 4], or a range such as 1..4"
        | None -> None

let rec private run (builder: Builder) given blocks flow (statement: Statement) =
    let inside body inner =
        (body: Body).Statements
        |> List.fold (run builder given blocks) inner
        |> fun after ->
            { flow with
                Here = after.Here
                Incomplete = after.Incomplete }

    match statement.Kind with
    | Use({ Text = "input" } as word, arguments, label) ->
        named builder (addInput builder given flow word arguments) label
    | Use(word, arguments, label) ->
        let here =
            match Catalogue.layers |> List.tryFind (fun layer -> layer.Name = word.Text) with
            | Some layer -> useLayer builder flow layer word statement.Span arguments
            | None when List.contains word.Text activationNames ->
                useActivation builder flow word statement.Span arguments
            | None -> unknownWord builder blocks word

        named builder { flow with Here = here } label
    | As name -> named builder flow (Some name)
    | From name ->
        match Map.tryFind name.Text flow.Values with
        | Some here -> { flow with Here = here }
        | None when flow.Incomplete -> { flow with Here = Unknown }
        | None ->
            Diagnostic.error name.Span $"no value is called '{name.Text}'"
            |> Suggestion.among (Map.keys flow.Values) name.Text
            |> report builder.Sink

            { flow with Here = Unknown }
    | Output name ->
        notYet builder name.Span "a named output"
        flow
    | Unread _ ->
        { flow with
            Here = Unknown
            Incomplete = true }
    | Let(name, expression) ->
        { flow with
            Numbers = Map.add name.Text (number builder.Sink (scopeOf flow) expression) flow.Numbers }
    | Defaults body ->
        match flow.Here with
        | Undefined -> ()
        | _ -> report builder.Sink (Diagnostic.error statement.Span "'defaults' stand in front of 'input': they are for the whole network")

        addDefaults builder flow body
    | If(condition, whenTrue, whenFalse) ->
        match truth builder.Sink (scopeOf flow) condition, whenFalse with
        | Some true, _ -> inside whenTrue flow
        | Some false, Some otherwise -> inside otherwise flow
        | Some false, None -> flow
        | None, _ -> { flow with Here = Unknown }
    | Repeat(names, over, upTo, body) ->
        match rounds builder flow names over upTo with
        | None -> { flow with Here = Unknown }
        | Some rounds ->
            let bindRound numbers values =
                List.fold2 (fun map (name: Name) value -> Map.add name.Text (Some value) map) numbers names values

            rounds
            |> List.fold
                (fun current values ->
                    inside body { current with Numbers = bindRound flow.Numbers values })
                flow

/// The plan of a network, or `None` if anything is wrong with it; every mistake is noted.
/// `given` fills in the sides that the script leaves open; `blocks` are the names the script declares.
let check (sink: Sink) (given: Shape option) blocks (name: Name) (body: Body) : NetworkPlan option =
    let before = sink.Count
    let builder = Builder sink

    let start =
        { Here = Undefined
          Values = Map.empty
          Numbers = Map.empty
          Defaults = Map.empty
          Incomplete = false }

    let last = body.Statements |> List.fold (run builder given blocks) start

    match last.Here with
    | Undefined when sink.Count = before ->
        expected sink name.Span $"the network '{name.Text}' is empty" "an 'input' and layers"
    | Known value when sink.Count = before ->
        Some
            { Name = name.Text
              Inputs = List.ofSeq builder.Inputs
              Nodes = List.ofSeq builder.Nodes
              Output = value.Input }
    | _ -> None
