/// What the uses of blocks and shared sets are given.
module internal CnnCluster.Dsl.Checking.UnitArguments

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.Declared
open CnnCluster.Dsl.Checking.NetworkBuilder

/// What a use of a unit was given.
type UnitArguments =
    {
        Values: Map<string, Evaluated option>
        Free: Parameter list
        Activation: Expression option
        Frozen: bool
        /// Whether a parameter was named that there is not: it may be the one that is missing.
        Misnamed: bool
    }

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
    | None when GivenArguments.isActivation text -> takeActivation builder expression given
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
    | Call(name, _) when GivenArguments.isActivation name.Text -> takeActivation builder expression given
    | _ ->
        match evaluate builder.Sink scope expression with
        // A parameter that was given an activation hands it on as one.
        | Some(OfWord text) when GivenArguments.isActivation text -> takeActivation builder expression given
        | Some(OfCall(text, _)) when GivenArguments.isActivation text -> takeActivation builder expression given
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

        { given with Misnamed = true }

let takeAll (builder: Builder) flow (word: Name) parameters arguments =
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
          Frozen = false
          Misnamed = false }

/// Refuses a use that leaves a parameter without a value.
let complete (builder: Builder) (word: Name) (parameters: Parameter list) given =
    let isMissing (parameter: Parameter) =
        parameter.Default.IsNone && not (given.Values.ContainsKey parameter.Name.Text)

    match parameters |> List.filter isMissing with
    | [] -> true
    | _ when given.Misnamed -> false
    | missing ->
        let names =
            missing |> List.map (fun p -> $"'{p.Name.Text}'") |> Suggestion.joined "and"

        let all = parameters |> List.map _.Name.Text |> String.concat " "

        expected
            builder.Sink
            word.Span
            $"'{word.Text}' needs {names}"
            $"a value for each parameter, as in: {word.Text} {all}"
        |> Option.isSome

/// The names that a unit's body begins with: its parameters, those left out by their defaults.
let bindParameters (builder: Builder) parameters given inner =
    let bindOne flow (parameter: Parameter) =
        let value =
            match Map.tryFind parameter.Name.Text given.Values, parameter.Default with
            | Some value, _ -> value
            | None, Some standard -> evaluate builder.Sink (scopeOf flow) standard
            | None, None -> None

        bindName builder "parameter" flow parameter.Name value

    List.fold bindOne inner parameters
