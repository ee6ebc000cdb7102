/// What a use gives its layer: arguments by position, keywords, flags and activations, and the network's defaults behind them.
module internal CnnCluster.Dsl.Checking.GivenArguments

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation

/// An argument as written, and the names that it may use: those of its use, or of the `defaults` it comes from.
type Written =
    { Expression: Expression; Scope: Scope }

/// A network's `defaults`: keyword arguments by layer.
type Defaults = Map<string, (Name * Written) list>

/// The arguments of one use, sorted by what they are for; each expression keeps its place.
type Given =
    {
        Values: Map<string, Written>
        Flags: Map<string, Span>
        Activation: Written option
        /// Positional arguments of the definition that are still free.
        Free: ArgumentDefinition list
        /// Arguments whose value could not be understood, which was said.
        Lost: Set<string>
        /// Whether a setting has a name that the layer does not know: it may be the one that is missing.
        Misnamed: bool
        Sound: bool
    }

let private unsound given = { given with Sound = false }

/// What was meant for the next position was not understood: the positions behind it keep their meaning.
let private lost given =
    match given.Free with
    | [] -> unsound given
    | argument :: rest ->
        { unsound given with
            Free = rest
            Lost = Set.add argument.Name given.Lost }

let isActivation name =
    Activation.all |> List.exists (fun a -> a.Name = name)

let private activationNames = Activation.all |> List.map _.Name

let private settings (layer: LayerDefinition) =
    (layer.Arguments |> List.map _.Name) @ [ "activation" ]

let private addActivation sink (written: Written) given =
    match given.Activation with
    | None -> { given with Activation = Some written }
    | Some _ ->
        report sink (Diagnostic.error written.Expression.Span "a layer has one activation, and this is the second")
        unsound given

let private addValue sink (argument: ArgumentDefinition) (written: Written) span given =
    if given.Values.ContainsKey argument.Name || given.Flags.ContainsKey argument.Name then
        report sink (Diagnostic.error span $"'{argument.Name}' has a value already")
        unsound given
    else
        { given with
            Values = Map.add argument.Name written given.Values
            Free = given.Free |> List.filter (fun free -> free.Name <> argument.Name) }

let private unknownWord sink (layer: LayerDefinition) (written: Written) word given =
    let flags =
        layer.Arguments |> List.filter (fun a -> a.Kind = YesNo) |> List.map _.Name

    // Where one of certain words may stand next, those are what is looked for too.
    let choices =
        match given.Free with
        | { Kind = OneOf words } :: _ -> words
        | _ -> []

    let message =
        if choices.IsEmpty then
            $"'{word}' is neither a number here, nor a flag of '{layer.Name}', nor an activation"
        else
            $"'{word}' is not among the words that may stand here, nor a flag of '{layer.Name}', nor an activation"

    let diagnostic =
        { Diagnostic.error written.Expression.Span message with
            Expected = if choices.IsEmpty then None else Some(Suggestion.listed choices) }
        |> Suggestion.among (choices @ activationNames @ flags @ List.ofSeq (Map.keys written.Scope.Names)) word
        |> hintOfHyphen word

    if not written.Scope.Incomplete then report sink diagnostic

    // A misspelt activation takes no position; anything else was to be a number.
    match diagnostic.Suggestion with
    | Some meant when not (Map.containsKey meant written.Scope.Names) -> unsound given
    | _ -> lost given

/// Where an argument of words stands next, one of its words is its value.
let private takesWord given word =
    match given.Free with
    | { Kind = OneOf words } as argument :: _ when List.contains word words -> Some argument
    | { Kind = KernelOf } as argument :: _ when FixedKernel.all |> List.exists (fun k -> k.Name = word) -> Some argument
    | _ -> None

let private addWord sink (layer: LayerDefinition) (written: Written) word given =
    let isFlag (argument: ArgumentDefinition) =
        argument.Name = word && argument.Kind = YesNo

    if List.exists isFlag layer.Arguments then
        if given.Values.ContainsKey word || given.Flags.ContainsKey word then
            report sink (Diagnostic.error written.Expression.Span $"'{word}' has a value already")
            unsound given
        else
            { given with
                Flags = Map.add word written.Expression.Span given.Flags }
    else
        match takesWord given word with
        | Some argument -> addValue sink argument written written.Expression.Span given
        | None when isActivation word -> addActivation sink written given
        | None -> unknownWord sink layer written word given

let private surplus sink (layer: LayerDefinition) span given =
    let takes =
        match layer.Arguments |> List.filter _.Positional |> List.map _.Name with
        | [] -> "takes no value without a name"
        | names -> $"takes no further value without a name, after {Suggestion.listed names}"

    report sink (Diagnostic.error span $"'{layer.Name}' {takes}")
    unsound given

/// The word that an argument is, itself or through a block's parameter.
let private wordOf (sink: Sink) scope (expression: Expression) =
    match expression.Kind with
    | Word word ->
        match Scope.lookUp sink scope word with
        | None -> Some word
        | Some(Some(OfWord other)) -> Some other
        | Some _ -> None
    | _ -> None

let private callOf (sink: Sink) scope (expression: Expression) =
    match expression.Kind with
    | Call(name, _) -> Some(name.Text, name.Span)
    | Word word ->
        match Scope.lookUp sink scope word with
        | Some(Some(OfCall(name, _))) -> Some(name, expression.Span)
        | _ -> None
    | _ -> None

let private addPositional sink (layer: LayerDefinition) scope given (expression: Expression) =
    let written =
        { Expression = expression
          Scope = scope }

    match wordOf sink scope expression, callOf sink scope expression, given.Free with
    | Some word, _, _ -> addWord sink layer written word given
    | _, Some(name, _), ({ Kind = ArgumentKind.KernelOf } as argument: ArgumentDefinition) :: _ when
        FixedKernel.all |> List.exists (fun k -> k.Name = name)
        ->
        addValue sink argument written expression.Span given
    | _, Some(name, span), _ when not (isActivation name) ->
        Diagnostic.error span $"no activation is called '{name}'"
        |> Suggestion.among activationNames name
        |> report sink

        lost given
    | _, Some _, _ -> addActivation sink written given
    | None, None, argument :: _ -> addValue sink argument written expression.Span given
    | None, None, [] -> surplus sink layer expression.Span given

/// Whether a layer has a setting; notes the error if it has none.
let knows sink (layer: LayerDefinition) (key: Name) =
    let known = List.contains key.Text (settings layer)

    if not known then
        { Diagnostic.error key.Span $"'{layer.Name}' has no setting '{key.Text}'" with
            Expected = Some(Suggestion.listed (settings layer)) }
        |> Suggestion.among (settings layer) key.Text
        |> report sink

    known

let private addKeyword sink (layer: LayerDefinition) given (key: Name, value: Written) =
    match layer.Arguments |> List.tryFind (fun a -> a.Name = key.Text) with
    | Some argument -> addValue sink argument value key.Span given
    | None when knows sink layer key -> addActivation sink value given
    | None -> { unsound given with Misnamed = true }

let private add sink layer scope given argument =
    match argument with
    | Positional expression -> addPositional sink layer scope given expression
    | Keyword(key, value) -> addKeyword sink layer given (key, { Expression = value; Scope = scope })
    | Branch body ->
        report sink (Diagnostic.error body.Span $"'{layer.Name}' takes no branches")
        unsound given

/// What a use leaves open takes the network's default. A fixed kernel has none for what it rules out.
let private withDefaults sink (layer: LayerDefinition) (defaults: Defaults) (given: Given) =
    let ruledOut key =
        given.Values.ContainsKey "kernel"
        && List.contains key [ "size"; "bias"; "kernel-init" ]

    let apply (given: Given) (key: Name, value: Written) =
        if key.Text = "activation" then
            { given with
                Activation = Option.orElse (Some value) given.Activation }
        elif
            given.Values.ContainsKey key.Text
            || given.Flags.ContainsKey key.Text
            || ruledOut key.Text
        then
            given
        else
            addKeyword sink layer given (key, value)

    Map.tryFind layer.Name defaults
    |> Option.defaultValue []
    |> List.fold apply given

/// The arguments of a use, sorted; every mistake is noted.
let sort sink scope (defaults: Defaults) (layer: LayerDefinition) arguments : Given =
    arguments
    |> List.fold
        (add sink layer scope)
        { Given.Values = Map.empty
          Flags = Map.empty
          Activation = None
          Free = layer.Arguments |> List.filter _.Positional
          Lost = Set.empty
          Misnamed = false
          Sound = true }
    |> withDefaults sink layer defaults
