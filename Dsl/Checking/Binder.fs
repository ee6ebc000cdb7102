/// Gives a layer's arguments their values: positions, keywords, flags, activations, defaults.
module internal CnnCluster.Dsl.Checking.Binder

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope

/// A word with numbers, `normal(0, 0.1)`, looked up in a catalogue of such.
let private lookUp
    sink
    scope
    what
    (entries: 'E list)
    nameOf
    argumentsOf
    (create: 'E -> float list -> 'R)
    (expression: Expression)
    =
    let find (name: string) span =
        match entries |> List.tryFind (fun entry -> nameOf entry = name) with
        | Some entry -> Some entry
        | None ->
            Diagnostic.error span $"no {what} is called '{name}'"
            |> Suggestion.amongOrAll (entries |> List.map nameOf) name
            |> report sink

            None

    let fill entry (given: Expression list) =
        let arguments: (string * float) list = argumentsOf entry

        if given.Length > arguments.Length then
            fail
                sink
                expression.Span
                $"'{nameOf entry}' takes {arguments.Length} values at most; here are {given.Length}"
        else
            let values = given |> List.map (number sink scope)

            if values |> List.forall Option.isSome then
                let defaults = arguments |> List.skip given.Length |> List.map snd
                Some(create entry (List.map Option.get values @ defaults))
            else
                None

    match expression.Kind with
    | Word name -> find name expression.Span |> Option.bind (fun entry -> fill entry [])
    | Call(name, given) -> find name.Text name.Span |> Option.bind (fun entry -> fill entry given)
    | _ -> expected sink expression.Span $"this is no {what}" (entries |> List.map nameOf |> Suggestion.listed)

let activation sink scope expression =
    lookUp
        sink
        scope
        "activation"
        Activation.all
        _.Name
        _.Arguments
        (fun d values -> { Definition = d; Values = values })
        expression

let private initialiser sink scope expression =
    lookUp sink scope "initialiser" Initialiser.all _.Name _.Arguments _.Create expression

let private regularizer sink scope expression =
    lookUp sink scope "regularizer" Regularizer.all _.Name _.Arguments _.Create expression

let private real sink scope least greatest (expression: Expression) =
    number sink scope expression
    |> Option.bind (fun value ->
        if value < least || value > greatest then
            expected
                sink
                expression.Span
                $"{Printer.number value} is out of range"
                $"a number from {Printer.number least} to {Printer.number greatest}"
        else
            Some value)

let yesNo sink scope (expression: Expression) =
    match evaluate sink scope expression with
    | Some(OfTruth value) -> Some value
    | Some(OfWord("yes" | "true")) -> Some true
    | Some(OfWord("no" | "false")) -> Some false
    | Some other -> expected sink expression.Span $"{describe other} is neither yes nor no" "yes or no"
    | None -> None

/// The longest side of a window, stride or padding: the extent of a dilated window stays within 32 bits.
let private longest = 32767

let private wholes sink (expression: Expression) least (values: float list) =
    match
        values
        |> List.tryFind (fun v -> v <> floor v || v < float least || v > float longest)
    with
    | Some wrong ->
        expected
            sink
            expression.Span
            $"{Printer.number wrong} cannot be a side"
            $"whole numbers from {least} to {longest}"
    | None -> Some(values |> List.map int)

let private sides sink scope least (expression: Expression) =
    match evaluate sink scope expression with
    | Some(OfNumber value) -> wholes sink expression least [ value ]
    | Some(OfRows [ row ]) -> wholes sink expression least row
    | Some(OfSides list) when list |> List.forall Option.isSome ->
        list |> List.map (Option.get >> float) |> wholes sink expression least
    | Some(OfSides _) -> fail sink expression.Span "only an input's sides may be open ('?')"
    | Some other -> expected sink expression.Span $"{describe other} is no size" "a size, such as 3, 3x3 or [k k]"
    | None -> None

let private padding sink scope (expression: Expression) =
    let symmetric values =
        values |> List.map (fun p -> p, p) |> Sides

    match evaluate sink scope expression with
    | Some(OfWord "same") -> Some Same
    | Some(OfWord "valid") -> Some Valid
    | Some(OfNumber value) -> wholes sink expression 0 [ value ] |> Option.map symmetric
    | Some(OfSides list) when list |> List.forall Option.isSome ->
        list
        |> List.map (Option.get >> float)
        |> wholes sink expression 0
        |> Option.map symmetric
    | Some(OfRows rows) when rows |> List.forall (fun row -> row.Length = 2) ->
        rows
        |> List.concat
        |> wholes sink expression 0
        |> Option.map (List.chunkBySize 2 >> List.map (fun pair -> pair[0], pair[1]) >> Sides)
    | Some other ->
        expected
            sink
            expression.Span
            $"{describe other} is no padding"
            "same, valid, a number, one for each axis as in 1x2, or [top bottom; left right]"
    | None -> None

let private convert sink scope kind expression =
    match kind with
    | WholeNumber least -> whole sink scope least expression |> Option.map WholeValue
    | RealNumber(least, greatest) -> real sink scope least greatest expression |> Option.map RealValue
    | YesNo -> yesNo sink scope expression |> Option.map FlagValue
    | SizeOf least -> sides sink scope least expression |> Option.map SizeValue
    | PaddingOf -> padding sink scope expression |> Option.map PaddingValue
    | InitialiserOf -> initialiser sink scope expression |> Option.map InitialiserValue
    | RegularizerOf -> regularizer sink scope expression |> Option.map RegularizerValue

/// The arguments of one use, sorted by what they are for; each expression keeps its place.
type private Given =
    {
        Values: Map<string, Expression>
        Flags: Map<string, Span>
        Activation: Expression option
        /// Positional arguments of the definition that are still free.
        Free: ArgumentDefinition list
        /// Arguments whose value could not be understood, which was said.
        Lost: Set<string>
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

let private isActivation name =
    Activation.all |> List.exists (fun a -> a.Name = name)

let private settings (layer: LayerDefinition) =
    (layer.Arguments |> List.map _.Name) @ [ "activation" ]

let private addActivation sink (expression: Expression) given =
    match given.Activation with
    | None ->
        { given with
            Activation = Some expression }
    | Some _ ->
        report sink (Diagnostic.error expression.Span "a layer has one activation, and this is the second")
        unsound given

let private addValue sink (argument: ArgumentDefinition) (expression: Expression) span given =
    if given.Values.ContainsKey argument.Name || given.Flags.ContainsKey argument.Name then
        report sink (Diagnostic.error span $"'{argument.Name}' has a value already")
        unsound given
    else
        { given with
            Values = Map.add argument.Name expression given.Values
            Free = given.Free |> List.filter (fun free -> free.Name <> argument.Name) }

let private addWord sink (layer: LayerDefinition) scope (expression: Expression) word given =
    let isFlag (argument: ArgumentDefinition) =
        argument.Name = word && argument.Kind = YesNo

    if given.Values.ContainsKey word || given.Flags.ContainsKey word then
        report sink (Diagnostic.error expression.Span $"'{word}' has a value already")
        unsound given
    elif List.exists isFlag layer.Arguments then
        { given with
            Flags = Map.add word expression.Span given.Flags }
    elif isActivation word then
        addActivation sink expression given
    else
        let flags =
            layer.Arguments |> List.filter (fun a -> a.Kind = YesNo) |> List.map _.Name

        let diagnostic =
            Diagnostic.error
                expression.Span
                $"'{word}' is neither a number here, nor a flag of '{layer.Name}', nor an activation"
            |> Suggestion.among ((Activation.all |> List.map _.Name) @ flags) word
            |> hintOfHyphen word

        if not scope.Incomplete then report sink diagnostic

        // A misspelt activation takes no position; anything else was to be a number.
        if diagnostic.Suggestion.IsSome then unsound given else lost given

let private addPositional sink (layer: LayerDefinition) scope given (expression: Expression) =
    match expression.Kind, given.Free with
    | Word word, _ when not (Map.containsKey word scope.Numbers) -> addWord sink layer scope expression word given
    | Call(name, _), _ when not (isActivation name.Text) ->
        Diagnostic.error name.Span $"no activation is called '{name.Text}'"
        |> Suggestion.among (Activation.all |> List.map _.Name) name.Text
        |> report sink

        lost given
    | Call _, _ -> addActivation sink expression given
    | _, argument :: _ -> addValue sink argument expression expression.Span given
    | _, [] ->
        let positional = layer.Arguments |> List.filter _.Positional |> List.map _.Name

        let takes =
            match positional with
            | [] -> "takes no value without a name"
            | names -> $"takes no further value without a name, after {Suggestion.listed names}"

        report sink (Diagnostic.error expression.Span $"'{layer.Name}' {takes}")
        unsound given

/// Whether a layer has a setting; notes the error if it has none.
let knows sink (layer: LayerDefinition) (key: Name) =
    let known = List.contains key.Text (settings layer)

    if not known then
        { Diagnostic.error key.Span $"'{layer.Name}' has no setting '{key.Text}'" with
            Expected = Some(Suggestion.listed (settings layer)) }
        |> Suggestion.among (settings layer) key.Text
        |> report sink

    known

let private addKeyword sink (layer: LayerDefinition) given (key: Name, value: Expression) =
    match layer.Arguments |> List.tryFind (fun a -> a.Name = key.Text) with
    | Some argument -> addValue sink argument value key.Span given
    | None when knows sink layer key -> addActivation sink value given
    | None -> unsound given

let private add sink layer scope given argument =
    match argument with
    | Positional expression -> addPositional sink layer scope given expression
    | Keyword(key, value) -> addKeyword sink layer given (key, value)
    | Branch body ->
        report sink (Diagnostic.error body.Span $"'{layer.Name}' takes no branches")
        unsound given

/// A network's `defaults`: keyword arguments by layer.
type Defaults = Map<string, (Name * Expression) list>

let private withDefaults sink (layer: LayerDefinition) (defaults: Defaults) given =
    let missing (key: Name, _) =
        not (given.Values.ContainsKey key.Text || given.Flags.ContainsKey key.Text)

    let apply given (key: Name, value: Expression) =
        if key.Text = "activation" then
            (if given.Activation.IsSome then
                 given
             else
                 { given with Activation = Some value })
        elif missing (key, value) then
            addKeyword sink layer given (key, value)
        else
            given

    Map.tryFind layer.Name defaults
    |> Option.defaultValue []
    |> List.fold apply given

let private valueOf sink scope (use': Span) (layer: LayerDefinition) given (argument: ArgumentDefinition) =
    match Map.tryFind argument.Name given.Values, Map.tryFind argument.Name given.Flags, argument.Default with
    | Some expression, _, _ -> convert sink scope argument.Kind expression
    | None, Some _, _ -> Some(FlagValue true)
    | None, None, Otherwise value -> Some value
    | None, None, Required when given.Lost.Contains argument.Name -> None
    | None, None, Required ->
        expected sink use' $"'{layer.Name}' needs '{argument.Name}'" (Suggestion.phrase argument.Doc)
    // Filled in from the other argument, once that has its value.
    | None, None, ArgumentDefault.As _ -> None

/// A layer's arguments, and where each was written.
type Bound =
    { Values: ArgumentValues
      Activation: Activation option
      Places: Map<string, Span> }

/// All mistakes are noted; `None` if there were any.
let bind (sink: Sink) scope (defaults: Defaults) (layer: LayerDefinition) (word: Name) arguments : Bound option =
    let before = sink.Count

    let given =
        arguments
        |> List.fold
            (add sink layer scope)
            { Values = Map.empty
              Flags = Map.empty
              Activation = None
              Free = layer.Arguments |> List.filter _.Positional
              Lost = Set.empty
              Sound = true }
        |> withDefaults sink layer defaults

    let activation = given.Activation |> Option.bind (activation sink scope)

    let own =
        [ for argument in layer.Arguments do
              match valueOf sink scope word.Span layer given argument with
              | Some value -> argument.Name, value
              | None -> () ]
        |> Map.ofList

    let copied =
        [ for argument in layer.Arguments do
              match argument.Default with
              | ArgumentDefault.As other when not (own.ContainsKey argument.Name) && own.ContainsKey other ->
                  argument.Name, own[other]
              | _ -> () ]

    let values = List.fold (fun map (name, value) -> Map.add name value map) own copied

    // A value may be missing without an error here: of a number whose own error was said where it was defined.
    if sink.Count > before || not given.Sound || values.Count < layer.Arguments.Length then
        None
    else
        Some
            { Values = ArgumentValues values
              Activation = activation
              Places = given.Values |> Map.map (fun _ expression -> expression.Span) }
