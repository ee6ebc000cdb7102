/// What networks are made of besides layers: merges with their branches, blocks, and shared sets.
module internal CnnCluster.Dsl.Checking.Expansion

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.Declared
open CnnCluster.Dsl.Checking.NetworkBuilder

/// Runs a body from a flow, with all names that it has.
type Runner = Flow -> Body -> Flow

// ---- merges ----

type private Operand =
    /// A value and where it is written.
    | Operand of Here * Span
    | Other of Argument
    /// An error was said.
    | Nothing

let private operandOf (builder: Builder) flow (run: Runner) (layer: LayerDefinition) argument =
    let scope = scopeOf flow

    let isOwn word =
        Binder.isActivation word
        || layer.Arguments |> List.exists (fun a -> a.Name = word)

    match argument with
    | Branch body -> Operand((run flow body).Here, body.Span)
    | Positional({ Kind = Word word } as expression) ->
        match Scope.lookUp builder.Sink scope word with
        | Some(Some(OfValue(_, here))) -> Operand(here, expression.Span)
        | None when not (isOwn word) ->
            if not scope.Incomplete then
                Diagnostic.error expression.Span $"no value is called '{word}'"
                |> Suggestion.among (activationNames @ Scope.names scope) word
                |> report builder.Sink

            Nothing
        | _ -> Other argument
    | _ -> Other argument

/// `add start { conv 8 3 pad=same } relu`: values and branches, and whatever else a layer takes.
let merge (builder: Builder) flow (run: Runner) (layer: LayerDefinition) (word: Name) span arguments =
    let operands = arguments |> List.map (operandOf builder flow run layer)

    let rest =
        operands
        |> List.choose (function
            | Other argument -> Some argument
            | _ -> None)

    let bound = Binder.bind builder.Sink (scopeOf flow) flow.Defaults layer word rest

    let values =
        [ for operand in operands do
              match operand with
              | Operand(here, span) -> here, span
              | Nothing -> Unknown, word.Span
              | Other _ -> () ]

    for here, span in values do
        if here = Undefined then
            report builder.Sink (Diagnostic.error span "there is no value here: no input stands in front of it")

    let known =
        values
        |> List.choose (function
            | Known value, _ -> Some value
            | _ -> None)

    match bound with
    | _ when values.Length < 2 ->
        expected
            builder.Sink
            word.Span
            $"'{word.Text}' takes at least two values; given: {values.Length}"
            $"names, 'here' and branches, as in: {word.Text} start here, {word.Text} {{ conv 8 3 pad=same }} {{ }}"
        |> ignore

        Unknown
    | Some bound when known.Length = values.Length -> place builder flow layer word span bound known
    | _ -> Unknown

// ---- blocks and shared sets ----

/// What a use of a unit was given.
type private UnitArguments =
    { Values: Map<string, Evaluated option>
      Free: Parameter list
      Activation: Expression option
      Frozen: bool }

let private take (builder: Builder) span (parameter: Parameter) value given =
    let name = parameter.Name.Text

    if given.Values.ContainsKey name then
        report builder.Sink (Diagnostic.error span $"'{name}' has a value already")
        given
    else
        { given with
            Values = Map.add name value given.Values
            Free = given.Free |> List.filter (fun free -> free.Name.Text <> name) }

let private takeActivation (builder: Builder) (expression: Expression) given =
    if given.Activation.IsSome then
        report builder.Sink (Diagnostic.error expression.Span "a block has one activation, and this is the second")

    { given with
        Activation = Some expression }

let private settingsOf (parameters: Parameter list) =
    (parameters |> List.map _.Name.Text) @ [ "activation"; "frozen" ]

let private takeNext (builder: Builder) (word: Name) (expression: Expression) value given =
    match given.Free with
    | parameter :: _ -> take builder expression.Span parameter value given
    | [] ->
        fail builder.Sink expression.Span $"'{word.Text}' takes no further value"
        |> ignore

        given

let private takeWord (builder: Builder) (scope: Scope) (word: Name) parameters (expression: Expression) text given =
    match parameters |> List.tryFind (fun (p: Parameter) -> p.Name.Text = text) with
    | Some flag -> take builder expression.Span flag (Some(OfWord "yes")) given
    | None when text = "frozen" -> { given with Frozen = true }
    | None when Binder.isActivation text -> takeActivation builder expression given
    | None ->
        if not scope.Incomplete then
            let known = settingsOf parameters @ activationNames @ Scope.names scope

            Diagnostic.error
                expression.Span
                $"'{text}' is neither a number or a value here, nor a parameter of '{word.Text}', nor an activation"
            |> Suggestion.among known text
            |> hintOfHyphen text
            |> report builder.Sink

        match given.Free with
        | [] -> given
        | next :: _ -> take builder expression.Span next None given

let private takePositional (builder: Builder) scope word parameters given (expression: Expression) =
    match expression.Kind with
    | Word text when (Scope.lookUp builder.Sink scope text).IsNone ->
        takeWord builder scope word parameters expression text given
    | Call(name, _) when Binder.isActivation name.Text -> takeActivation builder expression given
    | _ ->
        match evaluate builder.Sink scope expression with
        // A parameter that was given an activation hands it on as one.
        | Some(OfWord text) when Binder.isActivation text -> takeActivation builder expression given
        | Some(OfCall(text, _)) when Binder.isActivation text -> takeActivation builder expression given
        | value -> takeNext builder word expression value given

let private takeKeyword (builder: Builder) scope (word: Name) parameters given (key: Name) expression =
    match parameters |> List.tryFind (fun (p: Parameter) -> p.Name.Text = key.Text) with
    | Some parameter -> take builder key.Span parameter (evaluate builder.Sink scope expression) given
    | None when key.Text = "activation" -> takeActivation builder expression given
    | None when key.Text = "frozen" ->
        { given with
            Frozen = Conversion.yesNo builder.Sink scope expression |> Option.defaultValue false }
    | None ->
        let known = settingsOf parameters

        { Diagnostic.error key.Span $"'{word.Text}' has no parameter '{key.Text}'" with
            Expected = Some(Suggestion.listed known) }
        |> Suggestion.among known key.Text
        |> report builder.Sink

        given

let private takeAll (builder: Builder) flow (word: Name) parameters arguments =
    let scope = scopeOf flow

    arguments
    |> List.fold
        (fun given argument ->
            match argument with
            | Positional expression -> takePositional builder scope word parameters given expression
            | Keyword(key, expression) -> takeKeyword builder scope word parameters given key expression
            | Branch body ->
                report builder.Sink (Diagnostic.error body.Span $"'{word.Text}' takes no branches")
                given)
        { Values = Map.empty
          Free = parameters
          Activation = None
          Frozen = false }

/// Refuses a use that leaves a parameter without a value.
let private complete (builder: Builder) (word: Name) (parameters: Parameter list) given =
    let isMissing (parameter: Parameter) =
        parameter.Default.IsNone && not (given.Values.ContainsKey parameter.Name.Text)

    match parameters |> List.filter isMissing with
    | [] -> true
    | missing ->
        let names =
            missing |> List.map (fun p -> $"'{p.Name.Text}'") |> Suggestion.joined "and"

        let all = parameters |> List.map _.Name.Text |> String.concat " "

        expected builder.Sink word.Span $"'{word.Text}' needs {names}" $"{word.Text} {all}"
        |> Option.isSome

/// The names that a unit's body begins with: its parameters, those left out by their defaults.
let private bindParameters (builder: Builder) parameters given inner =
    let bindOne flow (parameter: Parameter) =
        let value =
            match Map.tryFind parameter.Name.Text given.Values, parameter.Default with
            | Some value, _ -> value
            | None, Some standard -> evaluate builder.Sink (scopeOf flow) standard
            | None, None -> None

        bindName builder "parameter" flow parameter.Name value

    List.fold bindOne inner parameters

/// Errors inside a unit tell where it was used.
let private traced (builder: Builder) (word: Name) action =
    let before = builder.Sink.Count
    let result = action ()

    for i in before .. builder.Sink.Count - 1 do
        let diagnostic = builder.Sink[i]

        builder.Sink[i] <-
            { diagnostic with
                Uses = diagnostic.Uses @ [ word.Text, word.Span ] }

    result

/// Units within units: deeper than any network needs, and no more than the stack holds.
[<Literal>]
let private Deepest = 50

let private expand (builder: Builder) flow (run: Runner) (declared: Declared) (word: Name) frame given =
    let parameters =
        match declared.Unit with
        | Fresh parameters -> parameters
        | Common -> []

    traced builder word (fun () ->
        let inner =
            bindParameters
                builder
                parameters
                given
                { flow with
                    Names = Map.empty
                    Values = Map.empty
                    Frozen = flow.Frozen || given.Frozen
                    Incomplete = false
                    Frame = frame }

        (run inner declared.Body).Here)

/// What must agree between the uses of a shared set.
let private ownership (nodes: PlanNode seq) =
    [ for node in nodes ->
          node.Owner,
          [ for weight in node.Layer.Weights -> weight.Name, weight.Shape, weight.Trainable ],
          [ for buffer in node.Layer.Buffers -> buffer.Name, buffer.Shape ] ]

let private misfit (builder: Builder) (word: Name) (first: SharedSet) (shape: Shape) =
    expected
        builder.Sink
        word.Span
        $"the weights of '{word.Text}' are for {Shape.text first.Input}, as at {Report.place first.Place}; here the value is {Shape.text shape}"
        "a value of the same channels, or a 'block', which has weights of its own at every use"
    |> ignore

    Unknown

/// Later uses compute with the first one's weights.
let private useAgain (builder: Builder) flow run declared (word: Name) given (first: SharedSet) (value: Flowing) =
    if
        value.Shape.Channels <> first.Input.Channels
        || value.Shape.Rank <> first.Input.Rank
    then
        misfit builder word first value.Shape
    else
        first.Uses <- first.Uses + 1
        let start = builder.Nodes.Count

        let frame =
            Frame.create $"{word.Text}@{first.Uses}/" $"{word.Text}/" (word.Text :: flow.Frame.Units)

        let here = expand builder flow run declared word frame given

        let own =
            ownership (builder.Nodes |> Seq.skip first.FirstNode |> Seq.truncate first.Count)

        let again = ownership (builder.Nodes |> Seq.skip start)

        match here with
        | Known _ when own <> again -> misfit builder word first value.Shape
        | _ -> here

let private useFirst (builder: Builder) flow run declared (word: Name) given (value: Flowing) =
    let start = builder.Nodes.Count

    let frame =
        Frame.create $"{word.Text}/" $"{word.Text}/" (word.Text :: flow.Frame.Units)

    let here = expand builder flow run declared word frame given

    builder.Shared[word.Text] <-
        { Input = value.Shape
          Place = word.Span
          FirstNode = start
          Count = builder.Nodes.Count - start
          Uses = 1 }

    here

let private expandUnit (builder: Builder) flow run (declared: Declared) (word: Name) given =
    match declared.Unit, flow.Here with
    | _ when flow.Frame.Units.Length >= Deepest ->
        fail builder.Sink word.Span $"blocks use one another more than {Deepest} deep here"
        |> ignore

        Unknown
    | Fresh _, _ ->
        let outer = flow.Frame
        let name = Frame.number outer word.Text

        let frame =
            Frame.create $"{outer.Prefix}{name}/" $"{outer.Owner}{name}/" (word.Text :: outer.Units)

        expand builder flow run declared word frame given
    | Common, Known value ->
        match builder.Shared.TryGetValue word.Text with
        | true, first -> useAgain builder flow run declared word given first value
        | _ -> useFirst builder flow run declared word given value
    | Common, _ -> Unknown

/// A use of a block or a shared set, with an activation behind it perhaps.
let useUnit (builder: Builder) flow (run: Runner) (declared: Declared) (word: Name) span arguments =
    builder.Sink.Used.Add declared.Name.Span |> ignore

    let parameters =
        match declared.Unit with
        | Fresh parameters -> parameters
        | Common -> []

    let given = takeAll builder flow word parameters arguments

    let bringsValue =
        given.Values
        |> Map.exists (fun _ value ->
            match value with
            | Some(OfValue _) -> true
            | _ -> false)

    // Recursion was refused where the blocks were read.
    if
        List.contains word.Text flow.Frame.Units
        || not (complete builder word parameters given)
    then
        Unknown
    elif flow.Here = Undefined && not bringsValue then
        noInput builder word
    else
        let here = expandUnit builder flow run declared word given

        match given.Activation with
        | None -> here
        | Some expression ->
            match Conversion.activation builder.Sink (scopeOf flow) expression with
            | Some activation -> activate builder { flow with Here = here } activation.Definition.Name span activation
            | None -> Unknown
